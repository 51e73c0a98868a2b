//! `GET /api/statistics/latest` and `GET /api/statistics/sensor/{sensor}/date/{date}`.

use super::{Average, Day, Latest, postgres, quarters};
use crate::words::bucket::{self, Fill, Function};
use crate::words::{Answer, Database, Device, Name, Questions, json, problem, respond};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem, wrong};

/// The routes of this question. `?device=` selects the readings of one device.
pub(crate) fn routes(database: Database) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(latest))
        .routes(routes!(averages))
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

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct LatestOf {
    /// One device; all devices without it.
    #[param(inline)]
    device: Option<Device>,
}

/// The latest value of every sensor.
#[utoipa::path(
    get,
    path = "/api/statistics/latest",
    operation_id = "latestValues",
    tag = "values",
    params(LatestOf),
    responses((status = 200, description = "The values; null where there is none.", body = Latest, example = json!({
        "speed": 55.5,
        "fuel": null,
        "engineTemperature": null,
        "revolutions": null,
        "sensors": {"speed": {"device": "lada", "value": 55.5, "unit": "km/h", "timestamp": "2021-02-28T10:00:00Z"}}
    })))
)]
async fn latest(State(source): State<StatisticsState>, Parameters(of): Parameters<LatestOf>) -> Response {
    let (database, device) = (source.database, of.device.clone());
    let put = || async move {
        let device = device.as_ref().map(Device::as_str);
        let sensors = postgres::latest(&database, device).await.map_err(problem)?;
        json(&Latest::of(sensors))
    };
    respond(source.latest.ask(of.device, put).await)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AveragesOf {
    /// One device; all devices together without it.
    #[param(inline)]
    device: Option<Device>,
    /// What an empty quarter has; `zero` without it.
    #[param(inline)]
    #[serde(default = "zero")]
    fill: Fill,
}

/// The default of the original; other endpoints leave empty buckets out.
fn zero() -> Fill {
    Fill::Zero
}

/// The average of each quarter of an hour of a UTC day.
#[utoipa::path(
    get,
    path = "/api/statistics/sensor/{sensor}/date/{date}",
    operation_id = "averagesOfDay",
    tag = "readings",
    params(
        ("sensor" = String, Path, description = "The sensor.", pattern = "^[A-Za-z][A-Za-z0-9_.:-]{0,63}$", example = "speed"),
        ("date" = String, Path, description = "The day, `YYYY-MM-DD`.", pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", example = "2021-02-28"),
        AveragesOf
    ),
    responses((status = 200, description = "The averages, in order.", body = Vec<Average>, example = json!([
        {"sensor": "speed", "value": 57.5, "timestamp": "2021-02-28T10:00:00Z"},
        {"sensor": "speed", "value": 0.0, "timestamp": "2021-02-28T10:15:00Z"}
    ])))
)]
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
