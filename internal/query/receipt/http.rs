//! `GET /api/ingests` and `GET /api/ingests/{id}`.

use super::waiting::Waiting;
use super::{Receipt, Status, earliest, judge, postgres};
use crate::words::{Database, Failure, page, problem};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reading::time;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use web::{Parameters, Problem, wrong};

/// The longest that an answer is held.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Uploads of a page, unless the client says how many; and at the most. Each may have 100 invalid lines.
const LIMIT: usize = 20;
const MOST: usize = 100;

/// The state of the routes.
#[derive(Clone)]
struct Receipts {
    database: Database,
    waiting: Waiting,
    stop: CancellationToken,
}

/// The routes of this question. No answer is held beyond `stop`.
pub(crate) fn routes(database: Database, stop: CancellationToken) -> OpenApiRouter {
    let waiting = Waiting::new(database.clone());
    let receipts = Receipts {
        database,
        waiting,
        stop,
    };
    OpenApiRouter::default()
        .routes(routes!(receipts_of_uploads))
        .routes(routes!(receipt))
        .with_state(receipts)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct PageOf {
    /// Receipts of a page; 20 without it.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before; the first page without it.
    cursor: Option<String>,
}

/// Receipts, the latest upload first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipts)]
struct Page {
    ingests: Vec<Receipt>,
    /// Leads to the next page; null on the last one.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    next_cursor: Option<Uuid>,
}

/// The receipts of the latest uploads, the latest first.
///
/// An upload is listed once its first message is stored.
#[utoipa::path(
    get,
    path = "/api/ingests",
    operation_id = "receipts",
    tag = "operation",
    params(PageOf),
    responses((status = 200, description = "A page of receipts.", body = Page, example = json!({
        "ingests": [{
            "id": "019ac1de-6f6a-7b1c-9d62-0c2f4f7a1b2c",
            "status": "persisted",
            "accepted": 2,
            "rejected": 1,
            "persisted": 2,
            "duplicates": 0,
            "conflicts": 0,
            "failed": 0,
            "invalid": [{"line": 3, "reason": "value: missing", "reading": "{\"sensor\":\"speed\"}"}]
        }],
        "nextCursor": "019ac1de-6f6a-7b1c-9d62-0c2f4f7a1b2c"
    })))
)]
async fn receipts_of_uploads(
    State(receipts): State<Receipts>,
    Parameters(of): Parameters<PageOf>,
) -> Result<Json<Page>, Problem> {
    let limit = page::limit(of.limit, LIMIT, MOST)?;
    let cursor: Option<Uuid> = page::cursor(of.cursor.as_deref())?;
    let (database, now) = (&receipts.database, time::now());
    let before = cursor.unwrap_or_else(Uuid::max);
    let found = postgres::uploads(database, before, earliest(now), limit.saturating_add(1)).await;
    let mut uploads = found.map_err(problem)?;
    let has_more = page::cut(&mut uploads, limit);
    let sums = postgres::sums(database, &uploads).await.map_err(problem)?;
    let judged = uploads.iter().filter_map(|id| judge(*id, sums.get(id).copied(), now));
    let mut ingests: Vec<Receipt> = judged.collect();
    let with_lines = ingests.iter().filter(|receipt| receipt.may_have_lines());
    let with_lines: Vec<Uuid> = with_lines.map(|receipt| receipt.id).collect();
    let mut lines = HashMap::new();
    if !with_lines.is_empty() {
        lines = postgres::invalid(database, &with_lines).await.map_err(problem)?;
    }
    for receipt in &mut ingests {
        receipt.invalid = lines.remove(&receipt.id).unwrap_or_default();
    }
    Ok(Json(Page {
        ingests,
        next_cursor: uploads.last().filter(|_| has_more).copied(),
    }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Wait {
    /// How long to hold the answer while the receipt is pending, up to `30s`, such as `5s`.
    #[param(pattern = "^[0-9]+(ms|s)$", example = "5s")]
    wait: Option<String>,
}

/// The receipt of an upload: what became of its readings.
///
/// With `wait`, the API answers once the receipt is no longer pending, once this time is over, or when the program
/// ends.
#[utoipa::path(
    get,
    path = "/api/ingests/{id}",
    operation_id = "receipt",
    tag = "operation",
    params(
        ("id" = String, Path, description = "The id that `POST /ingest` answered with.", example = "019ac1de-6f6a-7b1c-9d62-0c2f4f7a1b2c"),
        Wait
    ),
    responses(
        (status = 200, description = "The receipt.", body = Receipt, example = json!({
            "id": "019ac1de-6f6a-7b1c-9d62-0c2f4f7a1b2c",
            "status": "persisted",
            "accepted": 2,
            "rejected": 1,
            "persisted": 2,
            "duplicates": 0,
            "conflicts": 0,
            "failed": 0,
            "invalid": [{"line": 3, "reason": "value: missing", "reading": "{\"sensor\":\"speed\"}"}]
        })),
        (
            status = 404,
            description = "There is no such upload, or its receipt is no longer kept.",
            body = Failure,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no such upload. Ids are in the answers to POST /ingest, and are known for seven days."})
        )
    )
)]
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
        let mut lines = postgres::invalid(&receipts.database, &[id]).await.map_err(problem)?;
        receipt.invalid = lines.remove(&id).unwrap_or_default();
    }
    Ok(Json(receipt))
}
