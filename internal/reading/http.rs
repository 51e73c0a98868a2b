//! `POST /ingest`.

use super::body::{self, Encoding, Source};
use super::decode::Bounds;
use super::keys::{Caller, Keys};
use super::limits::{Admission, Refusal, Turn};
use super::publish::Publisher;
use super::rejects::Rejects;
use super::segment::Origin;
use super::upload::{self, End, Upload};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use event::{Lane, Writer};
use prometheus_client::metrics::counter::Counter;
use service::Service;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use web::{Correlation, Problem};

pub use super::limits::{Known, Limits};

/// How long a client that is still sending may go on after it has been answered, so that it gets
/// to read the answer.
const DRAIN: Duration = Duration::from_secs(2);

/// The same, once the program is short of time itself.
const HURRIED_DRAIN: Duration = Duration::from_millis(200);

/// Bodies up to this size, if they come with their head and every line is good, are not worth a
/// task of their own. Far smaller than a segment.
const SMALL: usize = 16 * 1024;

/// What an ingestor is made of.
pub struct Ingest {
    pub(super) writer: Writer,
    live: Publisher,
    bulk: Publisher,
    pub(super) limits: Limits,
    pub(super) series: Known,
    pub(super) source: String,
    pub(super) hurry: CancellationToken,
    pub(super) abandon: CancellationToken,
    keys: Keys,
    admission: Admission,
    metrics: Metrics,
    service: Service,
}

#[derive(Default)]
struct Metrics {
    accepted: Counter,
    rejected: Counter,
    uploads: Counter,
    unfinished: Counter,
    unauthenticated: Counter,
    held_back: Counter,
}

impl Ingest {
    /// An ingestor that publishes to `writer`. Its tasks run under `service`.
    pub fn new(writer: Writer, keys: Keys, limits: Limits, service: &Service) -> Self {
        let source = format!("/ingestor/{}", Uuid::now_v7().simple());
        let metrics = Metrics::default();
        metrics.register(service);
        service.metrics().register_collector(Box::new(keys.clone()));
        let publisher = |lane| {
            let stored = metrics.accepted.clone();
            let (publisher, publishing) = Publisher::new(writer.clone(), lane, source.clone(), stored);
            let abandon = service.abandon();
            service.spawn("publish readings", async move {
                // Uploads that still wait then are told that their readings are not stored.
                let _ = abandon.run_until_cancelled(publishing).await;
                Ok(())
            });
            publisher
        };
        let (live, bulk) = (publisher(Lane::Live), publisher(Lane::Bulk));
        let (watched, stop) = (keys.clone(), service.stop());
        service.spawn("watch the keys file", async move {
            watched.watch(stop).await;
            Ok(())
        });
        Self {
            writer,
            live,
            bulk,
            series: Known::new(limits.max_series),
            admission: Admission::new(&limits),
            limits,
            source,
            hurry: service.hurry(),
            abandon: service.abandon(),
            keys,
            metrics,
            service: service.clone(),
        }
    }

    /// The routes of an ingestor.
    pub fn routes(self) -> Router {
        Router::new().route("/ingest", post(ingest)).with_state(Arc::new(self))
    }

    /// The publisher to this lane.
    pub(super) fn publisher(&self, lane: Lane) -> &Publisher {
        match lane {
            Lane::Live => &self.live,
            Lane::Bulk => &self.bulk,
        }
    }

    /// Goes on reading a body that nobody wants any more, for a while.
    fn drain(&self, source: Source) {
        let hurry = self.hurry.clone();
        let patience = async move {
            // A program that has to end has less time for this.
            if tokio::time::timeout(DRAIN, hurry.cancelled_owned()).await.is_ok() {
                tokio::time::sleep(HURRIED_DRAIN).await;
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

impl Metrics {
    fn register(&self, service: &Service) {
        let mut registry = service.metrics();
        let counters = [
            (
                "ingestor_readings_accepted",
                "Readings stored on the event bus",
                &self.accepted,
            ),
            ("ingestor_lines_rejected", "Lines that are not readings", &self.rejected),
            ("ingestor_uploads", "Uploads answered", &self.uploads),
            (
                "ingestor_uploads_unfinished",
                "Uploads answered with neither 200 nor 400",
                &self.unfinished,
            ),
            (
                "ingestor_uploads_unauthenticated",
                "Uploads refused for want of a valid key",
                &self.unauthenticated,
            ),
            (
                "ingestor_uploads_held_back",
                "Uploads refused for now, too many being under way or too many a second",
                &self.held_back,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
    }
}

async fn ingest(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let correlation = parts.extensions.get::<Correlation>().cloned();
    let plan = match plan(&ingest, &parts) {
        Ok(plan) => plan,
        Err(problem) => {
            // A client that waits for permission to send has sent nothing that is in the way.
            if !parts.headers.contains_key(header::EXPECT) {
                ingest.drain(Source::new(body, Encoding::Identity, None));
            }
            return problem.into_response();
        }
    };
    let mut source = Source::new(body, plan.encoding, ingest.limits.max_body);
    let origin = origin(correlation);
    if let Some(body) = source.whole() {
        let mut upload = Upload::new(&ingest, &plan.caller, origin.clone());
        if body.len() <= SMALL && upload.take_small(&body) {
            // All that is left is to hand it over and to wait: that needs no task.
            let end = upload.finish(End::Whole).await;
            return conclude(&ingest, &plan, &origin, &end, upload.into_counts(), source);
        }
        source.put_back(body);
    }
    // In a task of its own: a client that vanishes half way takes the connection's future with it,
    // and what it had sent would be lost with that.
    let service = ingest.service.clone();
    let received = service.run_to_end(async move {
        let mut upload = Upload::new(&ingest, &plan.caller, origin.clone());
        let end = upload.run(&mut source).await;
        let counts = upload.into_counts();
        conclude(&ingest, &plan, &origin, &end, counts, source)
    });
    received
        .await
        .unwrap_or_else(|error| Problem::internal(error).into_response())
}

/// What the head of a request says of its body.
struct Plan {
    caller: Caller,
    encoding: Encoding,
    _turn: Turn,
}

/// Judges a request by its head.
fn plan(ingest: &Ingest, head: &Parts) -> Result<Plan, Problem> {
    let headers = &head.headers;
    // Whoever has no key leaves nothing behind but a number that is one greater: no line in the log,
    // no memory of their own.
    let caller = authenticate(&ingest.keys, headers).inspect_err(|_| {
        ingest.metrics.unauthenticated.inc();
    })?;
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(encoding) = Encoding::of(text(header::CONTENT_ENCODING)) else {
        let problem = Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "This content encoding is not taken; send the body plain, or with Content-Encoding gzip or zstd.",
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
        // The client may mean its body to end with the connection; HTTP takes it for empty.
        return Err(Problem::new(
            StatusCode::LENGTH_REQUIRED,
            "Say how long the body is: with Content-Length, or with Transfer-Encoding: chunked.",
        ));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if let (Some(length), Some(max)) = (length, ingest.limits.max_body)
        && length > max
    {
        return Err(too_large(max));
    }
    let turn = ingest.admission.enter(&caller.key).map_err(|refusal| {
        ingest.metrics.held_back.inc();
        wait(refusal)
    })?;
    Ok(Plan {
        caller,
        encoding,
        _turn: turn,
    })
}

/// A new upload, and how its request is known outside.
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

/// The answer to an upload that has ended.
fn conclude(
    ingest: &Ingest,
    plan: &Plan,
    origin: &Origin,
    end: &End,
    (accepted, rejects): (u64, Rejects),
    source: Source,
) -> Response {
    let (id, correlation_id, rejected) = (origin.upload, &origin.correlation, rejects.count);
    let metrics = &ingest.metrics;
    metrics.rejected.inc_by(rejected);
    metrics.uploads.inc();
    let counts = |problem: Problem| {
        metrics.unfinished.inc();
        tracing::info!(
            correlation_id, upload = %id, key = %plan.caller.key, status = problem.status().as_u16(), ?end, accepted, rejected,
            "upload not finished"
        );
        problem
            .with("id", id.to_string())
            .with("accepted", accepted)
            .with("rejected", rejected)
    };
    let problem = match end {
        End::Whole => {
            tracing::debug!(correlation_id, upload = %id, key = %plan.caller.key, accepted, rejected, "upload finished");
            return answer(id, accepted, rejects);
        }
        End::Body(body::Error::Broken | body::Error::Undecodable) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The body breaks off or cannot be decoded. What came before is accepted; send the whole body again.",
        ),
        End::Body(body::Error::Window) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The zstd window is larger than 8 MiB; compress without --long or --ultra.",
        ),
        End::Body(body::Error::Bomb) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body grows more than a thousand times when it is decoded; send it in parts or less compressed.",
        ),
        End::Body(body::Error::TooLarge) => too_large(ingest.limits.max_body.unwrap_or_default()),
        End::Late => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "The body came too slowly. What came is accepted; send the rest, or all of it, again.",
        ),
        End::Bus => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event bus cannot take more now. Send the whole body again later; nothing is stored twice.",
        )
        .retry_after(Duration::from_secs(2)),
        End::Stopping => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This server is being restarted. Send the whole body again; nothing is stored twice.",
        )
        .retry_after(Duration::from_secs(2)),
    };
    let problem = counts(problem);
    ingest.drain(source);
    problem.into_response()
}

/// The answer to an upload that was read to its end.
fn answer(id: Uuid, accepted: u64, rejects: Rejects) -> Response {
    #[derive(serde::Serialize)]
    struct Answer {
        id: Uuid,
        accepted: u64,
        rejected: u64,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        invalid: Vec<super::rejects::Invalid>,
        #[serde(flatten)]
        problem: Option<Explained>,
    }
    #[derive(serde::Serialize)]
    struct Explained {
        r#type: &'static str,
        title: &'static str,
        status: u16,
        detail: &'static str,
    }
    let bad = rejects.count > 0;
    let answer = Answer {
        id,
        accepted,
        rejected: rejects.count,
        invalid: rejects.shown,
        problem: bad.then_some(Explained {
            r#type: "about:blank",
            title: "Bad Request",
            status: 400,
            detail: "Some lines are not readings. All others are accepted; the lines listed here would be rejected again.",
        }),
    };
    let (status, kind) = if bad {
        (StatusCode::BAD_REQUEST, "application/problem+json")
    } else {
        (StatusCode::OK, "application/json")
    };
    let body = serde_json::to_vec(&answer).unwrap_or_default();
    (
        status,
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")],
        body,
    )
        .into_response()
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

fn too_large(max: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("The body is larger than {max} bytes; send it in parts."),
    )
}

/// Whether a body of this type may be lines of JSON. curl's form default is taken, because that is
/// what `curl --data-binary` sends when nobody says otherwise.
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

/// `Basic KEY:`, `Basic DEVICE:KEY` or `Bearer KEY`.
fn authenticate(keys: &Keys, headers: &HeaderMap) -> Result<Caller, Problem> {
    let refused = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "A valid key is needed: as the user name (curl -u KEY:), as the password of a device (curl -u DEVICE:KEY), or as a bearer token.",
        )
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"odograph\", charset=\"UTF-8\""))
    };
    let credentials = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(refused)?;
    let (scheme, rest) = credentials.split_once(' ').ok_or_else(refused)?;
    let rest = rest.trim();
    let found = if scheme.eq_ignore_ascii_case("bearer") {
        keys.find(rest, None)
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = base64(rest).ok_or_else(refused)?;
        let (user, password) = decoded.split_once(':').ok_or_else(refused)?;
        match password {
            "" => keys.find(user, None),
            key => keys.find(key, Some(user)),
        }
    } else {
        None
    };
    found.ok_or_else(refused)
}

fn base64(text: &str) -> Option<String> {
    use ::base64::Engine;
    String::from_utf8(::base64::engine::general_purpose::STANDARD.decode(text).ok()?).ok()
}

impl Limits {
    pub(super) fn bounds(&self) -> Bounds {
        upload::bounds(self.oldest.as_microsecond(), self.max_future)
    }

    pub(super) fn max_line(&self) -> usize {
        usize::try_from(self.max_line).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        let keys = Keys::load(&["secret".into()], None).unwrap();
        let device = |credentials: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, credentials.parse().unwrap());
            authenticate(&keys, &headers)
                .map(|caller| caller.device.to_string())
                .map_err(|problem| problem.status().as_u16())
        };
        assert_eq!(device("Basic c2VjcmV0Og=="), Ok("default".into())); // secret:
        assert_eq!(device("basic bGFkYTpzZWNyZXQ="), Ok("lada".into())); // lada:secret
        assert_eq!(device("Bearer secret"), Ok("default".into()));
        for wrong in [
            "Basic c2VjcmV0",
            "Basic bGFkYTpzZWNyZXQx",
            "Basic !",
            "Bearer",
            "Bearer x",
            "Digest x",
        ] {
            assert_eq!(device(wrong), Err(401), "{wrong}");
        }
        assert!(authenticate(&keys, &HeaderMap::new()).is_err());
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
        for bad in ["text/html", "multipart/form-data; boundary=x", "application/xml"] {
            assert!(!is_ndjson(Some(bad)), "{bad}");
        }
    }
}
