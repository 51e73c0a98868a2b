//! `GET /api/statistics/latest` and `GET /api/statistics/sensor/{sensor}/date/{date}`.

use super::{Average, Day, Latest, postgres, quarters};
use crate::words::bucket::{self, Fill, Function};
use crate::words::{Answer, Database, Device, Name, Questions, json, problem, respond};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use web::{Parameters, Problem, wrong};

/// The routes of this question. `?device=` selects the readings of one device.
pub(crate) fn routes(database: Database) -> Router {
    Router::new()
        .route("/api/statistics/latest", get(latest))
        .route("/api/statistics/sensor/{sensor}/date/{date}", get(averages))
        .with_state(StatisticsState {
            database,
            latest: Questions::default(),
        })
}

#[derive(Clone)]
struct StatisticsState {
    database: Database,
    /// By device.
    latest: Questions<Option<Device>, Answer>,
}

#[derive(Deserialize)]
struct LatestOf {
    device: Option<Device>,
}

async fn latest(State(source): State<StatisticsState>, Parameters(of): Parameters<LatestOf>) -> Response {
    let (database, device) = (source.database, of.device.clone());
    let put = || async move {
        let device = device.as_ref().map(Device::as_str);
        let sensors = postgres::latest(&database, device).await.map_err(problem)?;
        json(&Latest::of(sensors))
    };
    respond(source.latest.ask(of.device, put).await)
}

#[derive(Deserialize)]
struct AveragesOf {
    device: Option<Device>,
    #[serde(default = "zero")]
    fill: Fill,
}

/// The default of the original; other endpoints leave empty buckets out.
fn zero() -> Fill {
    Fill::Zero
}

async fn averages(
    State(source): State<StatisticsState>,
    path: Result<Path<(String, String)>, PathRejection>,
    Parameters(of): Parameters<AveragesOf>,
) -> Result<Json<Vec<Average>>, Problem> {
    let Path((sensor, date)) =
        path.map_err(|_| Problem::bad_request("the path is not UTF-8 once it is percent-decoded"))?;
    let sensor = Name::try_from(sensor).map_err(|reason| wrong("sensor", reason))?;
    let day: Day = date.parse().map_err(|reason| wrong("date", reason))?;
    let device = of.device.as_ref().map(Device::as_str);
    let sensor = sensor.as_str();
    let series = bucket::series(&source.database, sensor, device)
        .await
        .map_err(problem)?;
    let buckets = day.quarters();
    let values = bucket::values(&source.database, &series, &buckets, &[Function::Avg], of.fill)
        .await
        .map_err(problem)?;
    Ok(Json(quarters(sensor, &buckets, values.columns.concat(), of.fill)))
}
