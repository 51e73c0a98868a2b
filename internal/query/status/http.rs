//! `GET /api/status`.

use super::{Status, postgres};
use crate::words::{Database, Device, problem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem};

/// The routes of this question. `?device=` selects one device's last timestamp; the counts are of all
/// devices.
pub(crate) fn routes(database: Database) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(status)).with_state(database)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct StatusOf {
    /// The device of `lastIngestTimestamp`; all devices without it.
    #[param(inline)]
    device: Option<Device>,
}

/// The state of the system: the last timestamp, counts and versions.
///
/// The counts are of all devices.
#[utoipa::path(
    get,
    path = "/api/status",
    operation_id = "status",
    tag = "system",
    params(StatusOf),
    responses((status = 200, description = "The state.", body = Status, example = json!({
        "lastIngestTimestamp": "2021-02-28T10:00:00Z",
        "devices": 2,
        "series": 7,
        "version": "0.1.0",
        "schemaVersion": 20
    })))
)]
async fn status(
    State(database): State<Database>,
    Parameters(of): Parameters<StatusOf>,
) -> Result<Json<Status>, Problem> {
    let device = of.device.as_ref().map(Device::as_str);
    postgres::status(&database, device).await.map(Json).map_err(problem)
}
