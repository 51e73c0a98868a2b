//! Every route of the API as one router.

use crate::trips::Thresholds;
use crate::words::Database;
use crate::{journal, location, readings, receipt, statistics, status, track, trend, trips};
use ::postgres::Pool;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use service::Service;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{Any, CorsLayer};
use web::Problem;

/// How long a browser may cache a preflight answer.
const CORS_MAX_AGE: Duration = Duration::from_secs(3600);

/// When to retry while a server restarts.
const RESTART_RETRY_AFTER: Duration = Duration::from_secs(2);

/// What counts as a place, and as a trip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// The longest time between a latitude and a longitude of one place.
    pub location: Duration,
    /// How long before an entry of the journal its device may have been at the place where the entry stands.
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

/// Every route of the API. Pages of any origin may read it.
///
/// Statements are
/// cancelled after 35 seconds, so the pool's own timeout should be shorter. When `service` ends, held answers
/// are given at once; past the drain deadline, open questions are answered with 503, and streams break off.
/// `service` awaits the end of cancelled statements.
pub fn routes(pool: Pool, tolerances: Tolerances, service: &Service) -> Router {
    let database = Database::new(pool, service.clone());
    Router::new()
        .merge(statistics::routes(database.clone()))
        .merge(location::routes(database.clone(), tolerances.location))
        .merge(track::routes(database.clone(), tolerances.location))
        .merge(trips::routes(database.clone(), tolerances.location, &tolerances.trips))
        .merge(journal::routes(database.clone(), tolerances.location, tolerances.place))
        .merge(trend::routes(database.clone()))
        .merge(readings::routes(database.clone(), service.drain_deadline()))
        .merge(receipt::routes(database.clone(), service.stop()))
        .merge(status::routes(database))
        // Set before the layers: a fallback set after them would replace the answer to a browser's preflight
        // request.
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This path can only be read: use GET.")
        })
        .layer(axum::middleware::from_fn_with_state(service.drain_deadline(), until))
        .layer(axum::middleware::map_response(web::must_be_asked_again))
        .layer(cors())
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(Any)
        .expose_headers([HeaderName::from_static("x-correlation-id"), header::LINK])
        .max_age(CORS_MAX_AGE)
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
