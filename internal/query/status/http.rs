//! `GET /api/status`.

use super::{Status, postgres};
use crate::words::{Database, Device, problem};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use web::{Parameters, Problem};

/// The routes of this question. `?device=` selects one device's last timestamp; the counts are of all
/// devices.
pub(crate) fn routes(database: Database) -> Router {
    Router::new().route("/api/status", get(status)).with_state(database)
}

#[derive(Deserialize)]
struct StatusOf {
    device: Option<Device>,
}

async fn status(
    State(database): State<Database>,
    Parameters(of): Parameters<StatusOf>,
) -> Result<Json<Status>, Problem> {
    let device = of.device.as_ref().map(Device::as_str);
    postgres::status(&database, device).await.map(Json).map_err(problem)
}
