//! `GET /api/location/latest`.

use super::Location;
use crate::words::{Answer, Database, Device, Failure, Questions, json, places, problem, respond};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem};

/// The routes of this question. `tolerance` is the longest time between the two readings of one place.
/// `?device=` selects one device.
pub(crate) fn routes(database: Database, tolerance: Duration) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(latest))
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

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct LatestOf {
    /// One device; all devices without it.
    #[param(inline)]
    device: Option<Device>,
}

/// The latest place: a latitude and a longitude of one device, close in time.
#[utoipa::path(
    get,
    path = "/api/location/latest",
    operation_id = "latestPlace",
    tag = "values",
    params(LatestOf),
    responses(
        (status = 200, description = "The place.", body = Location, example = json!({
            "latitude": 45.23078, "longitude": 13.612699, "timestamp": "2021-02-28T10:00:00Z", "device": "lada"
        })),
        (
            status = 404,
            description = "There is no place yet.",
            body = Failure,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "No location yet: it takes a location_latitude and a location_longitude of one device, close in time, in range, and not 0,0."})
        )
    )
)]
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
