//! `GET /api/ingests/{id}`.

use super::waiting::Waiting;
use super::{Receipt, Status, judge, postgres};
use crate::words::{Database, problem};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use reading::time;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use web::{Parameters, Problem, wrong};

/// The longest that an answer is held.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The state of the routes.
#[derive(Clone)]
struct Receipts {
    database: Database,
    waiting: Waiting,
    stop: CancellationToken,
}

/// The routes of this question. No answer is held beyond `stop`.
pub(crate) fn routes(database: Database, stop: CancellationToken) -> Router {
    let waiting = Waiting::new(database.clone());
    let receipts = Receipts {
        database,
        waiting,
        stop,
    };
    Router::new()
        .route("/api/ingests/{id}", get(receipt))
        .with_state(receipts)
}

#[derive(Deserialize)]
struct Wait {
    wait: Option<String>,
}

/// Answers with the receipt of an upload. With `?wait=5s` it holds the answer while the receipt is pending,
/// for 30 s at most and not beyond the program's end.
async fn receipt(
    State(receipts): State<Receipts>,
    id: Result<Path<String>, PathRejection>,
    Parameters(of): Parameters<Wait>,
) -> Result<Json<Receipt>, Problem> {
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such upload. Ids are in the answers to POST /ingest, and are known for seven days.",
        )
    };
    let wait = match of.wait.as_deref() {
        None => Duration::ZERO,
        Some(text) => service::duration(text).map_err(|error| wrong("wait", error))?,
    };
    if wait > LONGEST_WAIT {
        return Err(wrong("wait", "longer than 30s; ask again while the receipt is pending"));
    }
    // Malformed ids, text or not, are answered with 404.
    let id = id
        .ok()
        .and_then(|Path(id)| Uuid::try_parse(&id).ok())
        .ok_or_else(unknown)?;
    // An id that no upload can have needs no query.
    judge(id, None, time::now()).ok_or_else(unknown)?;
    let until = Instant::now() + wait;
    let sums = postgres::sums(&receipts.database, &[id]).await.map_err(problem)?;
    let mut receipt = judge(id, sums.get(&id).copied(), time::now()).ok_or_else(unknown)?;
    while receipt.status == Status::Pending && Instant::now() < until {
        let next = receipts.stop.run_until_cancelled(receipts.waiting.next(id));
        let Ok(Some(sums)) = timeout_at(until, next).await else {
            break;
        };
        receipt = judge(id, sums?, time::now()).ok_or_else(unknown)?;
    }
    if receipt.may_have_lines() {
        receipt.invalid = postgres::invalid(&receipts.database, id).await.map_err(problem)?;
    }
    Ok(Json(receipt))
}
