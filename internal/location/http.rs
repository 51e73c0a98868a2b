//! `GET /api/location/latest`.

use super::{Location, postgres};
use crate::api::{Name, problem};
use ::postgres::Pool;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use std::time::Duration;
use web::{Problem, Query};

/// The routes of this domain. `tolerance` is the farthest that the two readings of one place may
/// lie apart in time. `?device=` keeps to one device.
pub fn routes(pool: Pool, tolerance: Duration) -> Router {
    Router::new()
        .route("/api/location/latest", get(latest))
        .with_state(Source { pool, tolerance })
}

#[derive(Clone)]
struct Source {
    pool: Pool,
    tolerance: Duration,
}

#[derive(Deserialize)]
struct LatestOf {
    device: Option<Name>,
}

async fn latest(State(source): State<Source>, Query(of): Query<LatestOf>) -> Result<Json<Location>, Problem> {
    let device = of.device.as_ref().map(Name::as_str);
    let location = postgres::latest(&source.pool, device, source.tolerance)
        .await
        .map_err(problem)?;
    location.map(Json).ok_or_else(|| {
        let detail =
            "No location yet: it takes a location_latitude and a location_longitude of one device, close in time.";
        Problem::new(StatusCode::NOT_FOUND, detail)
    })
}
