//! Every route of the API as one router.

use crate::admission::{Admission, admit};
use crate::live::LiveOptions;
use crate::origin::{Origin, cors};
use crate::trend::TrendLimits;
use crate::trips::Thresholds;
use crate::words::Database;
use crate::{
    dump, fleet, journal, live, location, openapi, readings, receipt, statistics, status, track, trend, trips,
};
use ::postgres::Pool;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use blob::Store;
use service::Service;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use utoipa_axum::router::OpenApiRouter;
use web::Problem;

/// When to retry while a server restarts.
const RESTART_RETRY_AFTER: Duration = Duration::from_secs(2);

/// The shortest answer that is worth the work of compressing it, in bytes.
const COMPRESSED: u64 = 1024;

/// What the API shows, and to whom.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What counts as a place, and as a trip.
    pub tolerances: Tolerances,
    /// What a trend may have at the most.
    pub trends: TrendLimits,
    /// Origins whose pages may read the API; no other page may.
    pub origins: Vec<Origin>,
    /// Where the dumps are; without it none are shown.
    pub dumps: Option<Store>,
    /// Who listens to the live stream.
    pub live: LiveOptions,
    /// Who may read.
    pub admission: Admission,
    /// Questions that may wait for a connection to the database; none: the usual number.
    pub waiting: Option<usize>,
}

/// What counts as a place, and as a trip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// The longest time between a latitude and a longitude of one place.
    pub location: Duration,
    /// Longest time from the last place of a device to an entry of the journal that is shown there.
    pub place: Duration,
    /// Of trips.
    pub trips: Thresholds,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self {
            location: Duration::from_secs(10),
            place: Duration::from_secs(300),
            trips: Thresholds::default(),
        }
    }
}

/// Every route of the API.
///
/// Statements are cancelled after 35 seconds, so the pool's own timeout should be shorter. When `service` ends, held
/// answers are given at once; past the drain deadline, open questions are answered with 503, and streams break off.
/// `service` awaits the end of cancelled statements.
pub fn routes(pool: Pool, options: Options, service: &Service) -> Router {
    let database = Database::new(pool.clone(), service.clone());
    let database = match options.waiting {
        Some(waiting) => database.queueing(waiting),
        None => database,
    };
    let tolerances = options.tolerances;
    let questions = OpenApiRouter::default()
        .merge(live::routes(pool, database.clone(), options.live, service))
        .merge(statistics::routes(database.clone()))
        .merge(location::routes(database.clone(), tolerances.location))
        .merge(track::routes(database.clone(), tolerances.location))
        .merge(trips::routes(database.clone(), tolerances.location, &tolerances.trips))
        .merge(fleet::routes(database.clone(), tolerances.location))
        .merge(journal::routes(database.clone(), tolerances.location, tolerances.place))
        .merge(trend::routes(database.clone(), options.trends))
        .merge(readings::routes(database.clone(), service.drain_deadline()))
        .merge(receipt::routes(database.clone(), service.stop()))
        .merge(dump::routes(options.dumps))
        .merge(status::routes(database));
    let routes = openapi::described(questions)
        // Set before the layers: a fallback set after them would replace the answer to a browser's preflight
        // request.
        .method_not_allowed_fallback(other_method)
        .layer(axum::middleware::from_fn_with_state(service.drain_deadline(), until))
        // Within the next one: the tag is of the bytes as they are before.
        .layer(axum::middleware::from_fn(web::tag))
        .layer(compression())
        .layer(axum::middleware::map_request(web::permit_identity))
        .layer(axum::middleware::from_fn_with_state(options.admission, admit))
        .layer(axum::middleware::map_response(web::must_be_asked_again));
    match cors(&options.origins) {
        Some(cors) => routes.layer(cors),
        None => routes,
    }
}

/// Answers OPTIONS with the methods of a path, which are in `Allow`, and refuses methods that would write.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This path can only be read: use GET.").into_response()
}

/// Compresses answers for clients that ask for it; not dumps, which are gzip already, and not events, which must not
/// wait for each other.
fn compression() -> CompressionLayer<impl Predicate + Send + Sync + 'static> {
    let predicate = DefaultPredicate::new()
        .and(SizeAbove::new(COMPRESSED))
        .and(NotForContentType::const_new("application/gzip"));
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(predicate)
}

/// Cancels a question when `drain_deadline` is cancelled.
async fn until(State(drain_deadline): State<CancellationToken>, request: Request, next: Next) -> Response {
    let answer = drain_deadline.run_until_cancelled(next.run(request)).await;
    answer.unwrap_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This server is being restarted and the database has not answered yet. Ask again.",
        )
        .retry_after(RESTART_RETRY_AFTER)
        .into_response()
    })
}
