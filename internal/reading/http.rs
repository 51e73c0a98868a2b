//! `POST /ingest`.

mod answer;

use super::body::{Encoding, Source};
use super::clock::Clock;
use super::decode::Bounds;
use super::keys::{Caller, Keys};
use super::limits::{Admission, Quota, Refusal, Turn};
use super::postgres::Store;
use super::publish::Publisher;
use super::segment::Origin;
use super::upload::{self, Counts, End, Upload};
use answer::{answer, too_large, wrong_clock};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use event::{Lane, Writer};
use prometheus_client::metrics::counter::Counter;
use service::Service;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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

/// Seconds between two warnings of names without room.
const WARN_AGAIN: i64 = 600;

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
    pub(super) quota: Quota,
    pub(super) clock: Clock,
    pub(super) source: String,
    pub(super) hurry: CancellationToken,
    /// When names without room were last warned of, in seconds since 1970.
    warned: AtomicI64,
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
    deferred: Counter,
    forbidden: Counter,
    uploads: Counter,
    unfinished: Counter,
    unauthenticated: Counter,
    held_back: Counter,
}

impl Ingest {
    /// An ingestor that publishes to `writer`. Its tasks run under `service`. Where it has a database,
    /// the receipts there tell whether the clock can be right.
    pub fn new(writer: Writer, keys: Keys, limits: Limits, receipts: Option<Store>, service: &Service) -> Self {
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
            clock: Clock::new(&limits, writer.clone(), receipts, service),
            writer,
            live,
            bulk,
            series: Known::new(limits.max_series),
            quota: Quota::new(limits.max_rejected_per_key),
            admission: Admission::new(&limits),
            limits,
            source,
            hurry: service.hurry(),
            warned: AtomicI64::new(0),
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

    /// Warns of names without room: once, and then seldom.
    fn warn_of_deferred(&self, key: &str) {
        let now = jiff::Timestamp::now().as_second();
        let last = self.warned.load(Ordering::Relaxed);
        if now < last + WARN_AGAIN
            || self
                .warned
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        tracing::warn!(
            key,
            max_series = self.limits.max_series,
            "readings of new series are deferred: there is no room for their names; raise --max-series if they are meant"
        );
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
            (
                "ingestor_readings_deferred",
                "Readings of new series without room, to be sent again (--max-series)",
                &self.deferred,
            ),
            (
                "ingestor_readings_forbidden",
                "Readings of devices that the key may not write as",
                &self.forbidden,
            ),
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
    // HTTP itself has taken off the chunks, and nothing else.
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
fn conclude(ingest: &Ingest, plan: &Plan, origin: &Origin, end: &End, counts: Counts, source: Source) -> Response {
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
    let response = answer(&ingest.limits, origin.upload, end, counts);
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

/// The device that the address names, `/ingest?device=NAME`.
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

/// `Basic KEY:`, `Basic DEVICE:KEY` or `Bearer KEY`; `device` is the one that the address names.
fn authenticate(keys: &Keys, headers: &HeaderMap, device: Option<&str>) -> Result<Caller, Problem> {
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
        keys.find(rest, device)
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = base64(rest).ok_or_else(refused)?;
        let (user, password) = decoded.split_once(':').ok_or_else(refused)?;
        match password {
            "" => keys.find(user, device),
            // Both say who is writing, so they have to say the same.
            key if device.is_none_or(|device| device == user) => keys.find(key, Some(user)),
            _ => None,
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
            authenticate(&keys, &headers, None)
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
        assert!(authenticate(&keys, &HeaderMap::new(), None).is_err());
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
