//! `GET /api/location/latest`.

use super::Location;
use crate::words::{Answer, Database, Device, Questions, json, places, problem, respond};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use std::time::Duration;
use web::{Parameters, Problem};

/// The routes of this question. `tolerance` is the longest time between the two readings of one place.
/// `?device=` selects one device.
pub(crate) fn routes(database: Database, tolerance: Duration) -> Router {
    Router::new()
        .route("/api/location/latest", get(latest))
        .with_state(LocationState {
            database,
            tolerance: places::tolerance(tolerance),
            latest: Questions::default(),
        })
}

#[derive(Clone)]
struct LocationState {
    database: Database,
    /// In microseconds.
    tolerance: i64,
    /// By device.
    latest: Questions<Option<Device>, Answer>,
}

#[derive(Deserialize)]
struct LatestOf {
    device: Option<Device>,
}

async fn latest(State(source): State<LocationState>, Parameters(of): Parameters<LatestOf>) -> Response {
    let (database, tolerance, device) = (source.database, source.tolerance, of.device.clone());
    let put = || async move {
        let device = device.as_ref().map(Device::as_str);
        let place = places::latest(&database, device, tolerance).await.map_err(problem)?;
        let location = place.map(Location::of).ok_or_else(|| {
            let detail = "No location yet: it takes a location_latitude and a location_longitude of one device, close in time, in range, and not 0,0.";
            Problem::new(StatusCode::NOT_FOUND, detail)
        })?;
        json(&location)
    };
    respond(source.latest.ask(of.device, put).await)
}
