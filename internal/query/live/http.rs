//! `GET /api/live`.

use super::filter::Filter;
use super::hub::Hub;
use super::listener::{Counted, Listener, Stage};
use super::metrics::Metrics;
use super::options::LiveOptions;
use super::poller::Poller;
use super::postgres::Past;
use crate::words::{Database, Device, Name};
use ::postgres::Pool;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use service::Service;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem};

/// How long a listener waits until the database was read.
const TIMEOUT: Duration = Duration::from_secs(10);

/// When to try again where there is no room for a listener.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(10);

/// When to try again where the database does not answer, or the program ends.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The state of the routes.
#[derive(Clone)]
struct Live {
    hub: Arc<Hub>,
    database: Database,
    metrics: Metrics,
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    stop: CancellationToken,
}

/// The routes of this question. `service` awaits the task that looks for changes.
pub(crate) fn routes(pool: Pool, database: Database, options: LiveOptions, service: &Service) -> OpenApiRouter {
    let (hub, metrics) = (Arc::new(Hub::new()), Metrics::register(&mut service.metrics()));
    let live = Live {
        hub: hub.clone(),
        database,
        metrics: metrics.clone(),
        room: Arc::new(Semaphore::new(options.most.min(Semaphore::MAX_PERMITS))),
        turns: Arc::new(Semaphore::new(1)),
        stop: service.stop(),
    };
    let poller = Poller {
        pool,
        hub,
        committed: options.committed,
        metrics,
    };
    service.keep("live", |latch| {
        // Without the database, the part that watches it says so.
        latch.set(true);
        poller.run()
    });
    OpenApiRouter::default().routes(routes!(listen)).with_state(live)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct LiveOf {
    /// Events of this device; may be given several times. All devices without it.
    #[serde(default)]
    #[param(inline)]
    device: Vec<Device>,
    /// Values of this sensor; may be given several times. All sensors without it.
    #[serde(default)]
    #[param(inline)]
    sensor: Vec<Name>,
}

/// What changes, as it changes: server-sent events until the client leaves or the program ends.
///
/// Each event holds a state. First come `hello` with the server's time, `latest` for each latest value, and `upload`,
/// `day` and `journal` for what happened after `Last-Event-ID`. Then come the changes.
#[utoipa::path(
    get,
    path = "/api/live",
    operation_id = "live",
    tag = "values",
    params(
        LiveOf,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client has seen.")
    ),
    responses((
        status = 200,
        description = "The events.",
        content((String = "text/event-stream", example = "retry: 2000\nevent: hello\ndata: {\"time\":\"2021-02-28T10:00:00Z\"}\n\nevent: latest\ndata: {\"device\":\"lada\",\"sensor\":\"speed\",\"value\":55.5,\"unit\":\"km/h\",\"timestamp\":\"2021-02-28T10:00:00Z\"}\n\n"))
    ))
)]
async fn listen(
    State(live): State<Live>,
    headers: HeaderMap,
    Parameters(of): Parameters<LiveOf>,
) -> Result<Response, Problem> {
    let full = |_| {
        Problem::busy(
            "This server has no room for another listener. Try again later, or ask /api/statistics/latest from time to time.",
            FULL_RETRY_AFTER,
        )
    };
    let permit = live.room.clone().try_acquire_owned().map_err(full)?;
    let place = live.hub.enter();
    let mut changed = live.hub.watch();
    let begun = async {
        loop {
            if let Some(cursor) = live.hub.cursor() {
                return Some(cursor);
            }
            changed.changed().await.ok()?;
        }
    };
    let begun = live.stop.run_until_cancelled(timeout(TIMEOUT, begun)).await;
    let cursor = begun.and_then(Result::ok).flatten().ok_or_else(|| {
        Problem::busy(
            "The database does not answer, or this server is being restarted. Try again.",
            RETRY_AFTER,
        )
    })?;
    // A list of tokens in any other encoding is no id of ours.
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let listener = Listener {
        hub: live.hub,
        database: live.database,
        filter: Filter {
            devices: of.device,
            sensors: of.sensor,
        },
        cursor,
        stage: Stage::Hello(last.map(Past::after)),
        changed,
        turns: live.turns,
        stop: live.stop,
        counted: Counted::new(live.metrics),
        _place: place,
        _permit: permit,
    };
    let events = futures_util::stream::unfold(listener, |mut listener| async move {
        let bytes = listener.next().await?;
        Some((Ok::<_, Infallible>(bytes), listener))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy must keep nothing back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}
