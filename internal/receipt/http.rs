//! `GET /api/ingests/{id}`.

use super::{Receipt, Status, judge, postgres};
use crate::api::problem;
use crate::reading::time;
use ::postgres::Pool;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use web::{Problem, Query};

/// The longest that an answer is held.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often somebody who waits is looked up.
const LOOK: Duration = Duration::from_millis(100);

/// The routes of this domain.
pub fn routes(pool: Pool) -> Router {
    Router::new().route("/api/ingests/{id}", get(receipt)).with_state(pool)
}

#[derive(Deserialize)]
struct Wait {
    wait: Option<String>,
}

/// The receipt of an upload. With `?wait=5s` the answer is held while it is pending, 30 s at most.
async fn receipt(
    State(pool): State<Pool>,
    id: Result<Path<String>, PathRejection>,
    Query(of): Query<Wait>,
) -> Result<Json<Receipt>, Problem> {
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such upload. Ids are in the answers to POST /ingest, and are known for seven days.",
        )
    };
    let wait = match of.wait.as_deref() {
        None => Duration::ZERO,
        Some(text) => {
            service::duration(text).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("wait: {error}")))?
        }
    };
    // Whatever is no id, be it text or not, is nobody's.
    let id = id
        .ok()
        .and_then(|Path(id)| Uuid::try_parse(&id).ok())
        .ok_or_else(unknown)?;
    // An id that can be nobody's is not worth a question.
    judge(id, None, time::now()).ok_or_else(unknown)?;
    let until = Instant::now() + wait.min(LONGEST_WAIT);
    loop {
        let sums = postgres::sums(&pool, id).await.map_err(problem)?;
        let receipt = judge(id, sums, time::now()).ok_or_else(unknown)?;
        if receipt.status != Status::Pending || Instant::now() + LOOK > until {
            return Ok(Json(receipt));
        }
        sleep(LOOK).await;
    }
}
