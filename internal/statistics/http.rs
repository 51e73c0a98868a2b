//! `GET /api/statistics/latest` and `GET /api/statistics/sensor/{sensor}/date/{date}`.

use super::{Bucket, Day, Fill, Latest, buckets, postgres};
use crate::api::{Answer, Name, Questions, json, problem, respond};
use ::postgres::Pool;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use web::{Problem, Query};

/// The routes of this domain. `?device=` keeps to the readings of one device.
pub fn routes(pool: Pool) -> Router {
    Router::new()
        .route("/api/statistics/latest", get(latest))
        .route("/api/statistics/sensor/{sensor}/date/{date}", get(averages))
        .with_state(Source {
            pool,
            latest: Questions::default(),
        })
}

#[derive(Clone)]
struct Source {
    pool: Pool,
    /// By device.
    latest: Questions<Option<Name>, Answer>,
}

#[derive(Deserialize)]
struct LatestOf {
    device: Option<Name>,
}

async fn latest(State(source): State<Source>, Query(of): Query<LatestOf>) -> Response {
    let (pool, device) = (source.pool, of.device.clone());
    let put = || async move {
        let device = device.as_ref().map(Name::as_str);
        let sensors = postgres::latest(&pool, device).await.map_err(problem)?;
        json(&Latest::of(sensors))
    };
    respond(source.latest.ask(of.device, put).await)
}

#[derive(Deserialize)]
struct AveragesOf {
    device: Option<Name>,
    #[serde(default)]
    fill: Fill,
}

async fn averages(
    State(source): State<Source>,
    path: Result<Path<(String, String)>, PathRejection>,
    Query(of): Query<AveragesOf>,
) -> Result<Json<Vec<Bucket>>, Problem> {
    let Path((sensor, date)) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let sensor = Name::try_from(sensor).map_err(|reason| Problem::bad_request(format!("sensor: {reason}")))?;
    let day: Day = date
        .parse()
        .map_err(|reason| Problem::bad_request(format!("date: {reason}")))?;
    let device = of.device.as_ref().map(Name::as_str);
    let averages = postgres::averages(&source.pool, sensor.as_str(), device, day)
        .await
        .map_err(problem)?;
    Ok(Json(buckets(sensor.as_str(), day, &averages, of.fill)))
}
