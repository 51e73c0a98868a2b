//! `POST /ingest`.

mod answer;
mod body;
mod end;

use crate::Ingest;
use crate::admission::{Refusal, Turn};
use crate::counts::Counts;
use crate::session::Session;
use access::{Caller, Keys};
use answer::{answer, too_large, wrong_clock};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use body::{BodyReader, Encoding};
use end::End;
use reading::segment::Origin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;
use web::{Correlation, Problem};

/// How long a client may go on sending after the answer, so that it gets to read the answer.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The same, once the program is past its drain deadline.
const SHUTDOWN_DRAIN_TIMEOUT: Duration = Duration::from_millis(200);

/// Largest body that is read without a task, if it comes with its head and every line is good. Far smaller
/// than a segment.
const SMALL: usize = 16 * 1024;

impl Ingest {
    /// The routes of an ingestor.
    pub fn routes(self) -> Router {
        Router::new().route("/ingest", post(ingest)).with_state(Arc::new(self))
    }

    /// Reads and discards the rest of a body for a while.
    fn drain(&self, source: BodyReader) {
        let drain_deadline = self.drain_deadline.clone();
        let patience = async move {
            // An ending program has less time for this.
            if tokio::time::timeout(DRAIN_TIMEOUT, drain_deadline.cancelled_owned())
                .await
                .is_ok()
            {
                tokio::time::sleep(SHUTDOWN_DRAIN_TIMEOUT).await;
            }
        };
        self.service.spawn("drain a body", async move {
            tokio::select! {
                () = source.drain() => {}
                () = patience => {}
            }
            Ok(())
        });
    }
}

async fn ingest(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let correlation = parts.extensions.get::<Correlation>().cloned();
    let plan = match plan(&ingest, &parts) {
        Ok(plan) => plan,
        Err(problem) => {
            // A client that waits for permission to send has sent no body.
            if !parts.headers.contains_key(header::EXPECT) {
                ingest.drain(BodyReader::new(body, Encoding::Identity, None));
            }
            return problem.into_response();
        }
    };
    let mut source = BodyReader::new(body, plan.encoding, ingest.limits.max_body);
    let origin = origin(correlation);
    if let Some(body) = source.whole() {
        let mut session = Session::new(&ingest, &plan.caller, origin.clone(), plan.is_lines);
        if body.len() <= SMALL && session.take_small(&body) {
            // Only publishing is left, which needs no task.
            let end = session.finish(true).await.map_or_else(End::Stopped, |()| End::Whole);
            return conclude(&ingest, &plan, &origin, &end, session.into_counts(), source);
        }
        source.put_back(body);
    }
    // In a task of its own: a client that vanishes drops the connection's future, and the readings received
    // so far with it.
    let service = ingest.service.clone();
    let received = service.run_to_end(async move {
        let mut session = Session::new(&ingest, &plan.caller, origin.clone(), plan.is_lines);
        let mut end = read(&ingest, &mut session, &mut source)
            .await
            .err()
            .unwrap_or(End::Whole);
        if let Err(stop) = session.finish(matches!(end, End::Whole)).await {
            end = End::Stopped(stop);
        }
        let counts = session.into_counts();
        conclude(&ingest, &plan, &origin, &end, counts, source)
    });
    received
        .await
        .unwrap_or_else(|error| Problem::internal(error).into_response())
}

/// Feeds a body to its session, to the end or until a failure.
async fn read(ingest: &Ingest, session: &mut Session<'_>, source: &mut BodyReader) -> Result<(), End> {
    let limits = &ingest.limits;
    let total = Instant::now() + limits.upload_timeout;
    loop {
        let deadline = total.min(Instant::now() + limits.upload_idle_timeout);
        let due = session.due();
        let chunk = tokio::select! {
            biased;
            () = ingest.drain_deadline.cancelled() => return Err(End::Ending),
            () = sleep_until(due.unwrap_or(deadline)), if due.is_some() => {
                session.flush().await;
                continue;
            }
            chunk = timeout_at(deadline, source.next()) => chunk.map_err(|_| End::Late)?.map_err(End::Body)?,
        };
        let Some(chunk) = chunk else {
            return session.last().map_err(End::Stopped);
        };
        session.take(&chunk).await.map_err(End::Stopped)?;
    }
}

/// The head's description of the body.
struct Plan {
    caller: Caller,
    encoding: Encoding,
    is_lines: bool,
    /// The head names a charset that is not UTF-8.
    other_charset: bool,
    _turn: Turn,
}

/// Judges a request by its head.
fn plan(ingest: &Ingest, head: &Parts) -> Result<Plan, Problem> {
    let headers = &head.headers;
    if is_cross_site(headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "A web page of another site sent this; upload from a program, or from a page of this host.",
        ));
    }
    // A request without a key only increments a counter: no log line, no memory of its own.
    let caller = device(head).and_then(|device| authenticate(&ingest.keys, headers, device.as_deref()));
    let caller = caller.inspect_err(|problem| {
        if problem.status() == StatusCode::UNAUTHORIZED {
            ingest.metrics.unauthenticated.inc();
        }
    })?;
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let every = |name: header::HeaderName| {
        headers
            .get_all(name)
            .into_iter()
            .map(|value| value.to_str().unwrap_or("?"))
    };
    // HTTP has removed the chunks only, no other transfer coding.
    let transfer = every(header::TRANSFER_ENCODING)
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !matches!(&**coding, "" | "identity" | "chunked"));
    if transfer.count() > 0 {
        return Err(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "This transfer encoding is not taken; compress the body with Content-Encoding, and send it with Transfer-Encoding: chunked alone.",
        ));
    }
    let Some(encoding) = Encoding::of(every(header::CONTENT_ENCODING)) else {
        let problem = Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "This content encoding is not taken; send the body plain, or with Content-Encoding gzip or zstd, once.",
        );
        return Err(problem.header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd")));
    };
    if !is_ndjson(text(header::CONTENT_TYPE)) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "This content type is not taken; send lines of JSON as application/x-ndjson.",
        ));
    }
    let said = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
        .iter()
        .any(|name| headers.contains_key(name));
    let closing = text(header::CONNECTION).is_some_and(|value| value.to_ascii_lowercase().contains("close"));
    if !said && (closing || head.version < Version::HTTP_11) {
        // The client may mean the connection's end as the body's end; HTTP takes the body as empty.
        return Err(Problem::new(
            StatusCode::LENGTH_REQUIRED,
            "Say how long the body is: with Content-Length, or in HTTP/1.1 with Transfer-Encoding: chunked.",
        ));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if let (Some(length), Some(max)) = (length, ingest.limits.max_body)
        && length > max
    {
        return Err(too_large(max));
    }
    if ingest.clock.is_wrong() {
        return Err(wrong_clock());
    }
    let turn = ingest.admission.enter(&caller.key).map_err(|refusal| {
        ingest.metrics.held_back.inc();
        wait(refusal)
    })?;
    Ok(Plan {
        caller,
        encoding,
        is_lines: says_lines(text(header::CONTENT_TYPE)),
        other_charset: says_other_charset(text(header::CONTENT_TYPE)),
        _turn: turn,
    })
}

/// A new upload, with the ids of its request.
fn origin(correlation: Option<Correlation>) -> Origin {
    Origin {
        upload: Uuid::now_v7(),
        correlation: correlation
            .as_ref()
            .map(|correlation| correlation.id.to_string())
            .unwrap_or_default(),
        traceparent: correlation
            .and_then(|correlation| correlation.traceparent)
            .map(|parent| parent.to_string())
            .unwrap_or_default(),
    }
}

/// Answers an upload that has ended.
fn conclude(ingest: &Ingest, plan: &Plan, origin: &Origin, end: &End, counts: Counts, source: BodyReader) -> Response {
    let (accepted, rejected, deferred) = (counts.accepted, counts.rejects.count, counts.deferred);
    let metrics = &ingest.metrics;
    metrics.rejected.inc_by(rejected);
    metrics.deferred.inc_by(deferred);
    metrics.forbidden.inc_by(counts.forbidden);
    metrics.uploads.inc();
    if deferred > 0 {
        ingest.warn_of_deferred(&plan.caller.key);
    }
    let read = matches!(end, End::Whole);
    let response = answer(&ingest.limits, origin.upload, end, counts, plan.other_charset);
    let (correlation_id, status) = (&origin.correlation, response.status().as_u16());
    if matches!(status, 200 | 400) {
        tracing::debug!(correlation_id, upload = %origin.upload, key = %plan.caller.key, accepted, rejected, "upload finished");
    } else {
        metrics.unfinished.inc();
        tracing::info!(
            correlation_id, upload = %origin.upload, key = %plan.caller.key, status, ?end, accepted, rejected, deferred,
            "upload not finished"
        );
    }
    if !read {
        ingest.drain(source);
    }
    response
}

fn wait(refusal: Refusal) -> Problem {
    let (status, detail, wait) = match refusal {
        Refusal::KeyTooFast(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many uploads a second with this key; put more readings into each.",
            wait,
        ),
        Refusal::KeyFull => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many uploads at once with this key; try again.",
            Duration::from_secs(1),
        ),
        Refusal::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many uploads at once; try again.",
            Duration::from_secs(1),
        ),
    };
    Problem::new(status, detail).retry_after(wait)
}

/// Whether a body of this type may be lines of JSON. It accepts curl's form default, which `curl
/// --data-binary` sends without a content type.
fn is_ndjson(content_type: Option<&str>) -> bool {
    let kind = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    matches!(
        &*kind,
        "" | "application/x-ndjson"
            | "application/stream+json"
            | "application/jsonl"
            | "application/json"
            | "application/x-www-form-urlencoded"
    )
}

/// Whether a browser sends this for a page of another site. Browsers say so, and no page can change what they say.
/// Otherwise a form of any page could send readings to an ingestor on its visitor's machine.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site"))
}

/// Whether the client says that its body has lines alone, `application/x-ndjson; form=lines`: no line begins a document.
fn says_lines(content_type: Option<&str>) -> bool {
    parameters(content_type).any(|parameter| parameter.eq_ignore_ascii_case("form=lines"))
}

/// Whether the client says that its body is in a charset that is not UTF-8, or ASCII, which is a part of it.
fn says_other_charset(content_type: Option<&str>) -> bool {
    parameters(content_type)
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .any(|(_, charset)| {
            let charset = charset.trim().trim_matches('"').to_ascii_lowercase();
            !matches!(&*charset, "utf-8" | "utf8" | "us-ascii" | "ascii" | "")
        })
}

/// The parameters of a content type.
fn parameters(content_type: Option<&str>) -> impl Iterator<Item = &str> {
    content_type.unwrap_or_default().split(';').skip(1).map(str::trim)
}

/// The caller that the credentials name; `device` is the device in the address.
fn authenticate(keys: &Keys, headers: &HeaderMap, device: Option<&str>) -> Result<Caller, Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    keys.authenticate(given, device).ok_or_else(|| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "A valid key is needed: as the user name (curl -u KEY:), as the password of a device (curl -u DEVICE:KEY), or as a bearer token. If the request names a device, its name must be valid, and the key must be one for it.",
        )
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"odograph\", charset=\"UTF-8\""))
    })
}

/// The device in the address, `/ingest?device=NAME`.
fn device(head: &Parts) -> Result<Option<String>, Problem> {
    let refused = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "Send to /ingest, or to /ingest?device=NAME; there are no other parameters.",
        )
    };
    if head.uri.query().is_none() {
        return Ok(None);
    }
    let Query(mut parameters) = Query::<Vec<(String, String)>>::try_from_uri(&head.uri).map_err(|_| refused())?;
    match (parameters.pop(), parameters.pop()) {
        (None, _) => Ok(None),
        (Some((name, device)), None) if name == "device" => Ok(Some(device)),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites() {
        for (site, expected) in [
            (None, false),
            (Some("none"), false),
            (Some("same-origin"), false),
            (Some("same-site"), false),
            (Some("cross-site"), true),
            (Some("Cross-Site"), true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            assert_eq!(is_cross_site(&headers), expected, "{site:?}");
        }
    }

    #[test]
    fn content_types() {
        for good in [
            None,
            Some("application/x-ndjson; charset=utf-8"),
            Some("Application/JSON"),
            Some("application/x-www-form-urlencoded"),
        ] {
            assert!(is_ndjson(good), "{good:?}");
        }
        for (kind, expected) in [
            ("application/x-ndjson; form=lines", true),
            ("application/x-ndjson;charset=utf-8;Form=Lines", true),
            ("application/x-ndjson", false),
            ("form=lines", false),
        ] {
            assert_eq!(says_lines(Some(kind)), expected, "{kind}");
        }
        for (kind, expected) in [
            ("application/json; charset=ISO-8859-1", true),
            ("application/json;Charset = \"windows-1252\"", true),
            ("application/json; charset=\"UTF-8\"; form=lines", false),
            ("application/json; charset=us-ascii", false),
            ("application/json; form=lines", false),
            ("charset=latin1", false),
        ] {
            assert_eq!(says_other_charset(Some(kind)), expected, "{kind}");
        }
        for bad in ["text/html", "multipart/form-data; boundary=x", "application/xml"] {
            assert!(!is_ndjson(Some(bad)), "{bad}");
        }
    }
}
