//! `GET /api/dumps` and `GET /dumps/{file}`.

use super::list::{self, Page};
use crate::words::{Answer, Failure, Questions, json, page, respond};
use archive::{Day, File};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use blob::Store;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Download, Parameters, Problem, strong};

/// Days of a page, unless the client says how many; and at the most.
const LIMIT: usize = 100;
const MOST: usize = 366;

/// The longest that the store may take to list its dumps, or to look one up.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A revision is never written twice, so a cache may keep it for a year without asking again.
const IMMUTABLE: &str = "max-age=31536000, immutable";

/// The routes of this question; without a store they answer 404 and say why.
pub(crate) fn routes(store: Option<Store>) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(dumps))
        .routes(routes!(file))
        .with_state(Dumps {
            store,
            pages: Questions::default(),
        })
}

#[derive(Clone)]
struct Dumps {
    store: Option<Store>,
    /// By the day that the page ends before, and its limit.
    pages: Questions<(Option<Day>, usize), Answer>,
}

impl Dumps {
    fn store(&self) -> Result<Store, Problem> {
        self.store.clone().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "This API shows no dumps: it was started without --blob-store-url.",
            )
        })
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct PageOf {
    /// Days of a page; 100 without it.
    #[param(minimum = 1, maximum = 366)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before; the first page without it.
    cursor: Option<String>,
}

/// The dumps in force, the latest day first.
#[utoipa::path(
    get,
    path = "/api/dumps",
    operation_id = "dumps",
    tag = "operation",
    params(PageOf),
    responses(
        (status = 200, description = "A page of dumps.", body = Page, example = json!({
            "dumps": [{
                "date": "2021-02-28",
                "revision": 1,
                "readings": 3,
                "devices": 1,
                "firstTimestamp": "2021-02-28T10:00:00Z",
                "lastTimestamp": "2021-02-28T10:00:02Z",
                "bytes": 154,
                "sha256": "5f0c7f5d8a5b0c1f2f6f7f0f4b6d3e2a1c0b9a8d7e6f5c4b3a2d1e0f9c8b7a6d",
                "file": "2021-02-28.r1.json.gz",
                "url": "/dumps/2021-02-28.r1.json.gz"
            }],
            "nextCursor": null
        })),
        (
            status = 404,
            description = "This API shows no dumps.",
            body = Failure,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "This API shows no dumps: it was started without --blob-store-url."})
        )
    )
)]
async fn dumps(State(dumps): State<Dumps>, Parameters(of): Parameters<PageOf>) -> Result<Response, Problem> {
    let limit = page::limit(of.limit, LIMIT, MOST)?;
    let before: Option<Day> = page::cursor(of.cursor.as_deref())?;
    let store = dumps.store()?;
    let put = || async move { json(&within(list::page(&store, before, limit)).await?) };
    Ok(respond(dumps.pages.ask((before, limit), put).await))
}

/// A file of a dump has no parameters.
#[derive(Deserialize)]
struct Nothing {}

/// The file of a dump, or the part of it that `Range` asks for.
///
/// A revision, `DAY.rN.json.gz`, never changes. `DAY.json.gz` is the copy of the one in force.
#[utoipa::path(
    get,
    path = "/dumps/{file}",
    operation_id = "dumpFile",
    tag = "operation",
    params(("file" = String, Path, description = "The name of the file, as `/api/dumps` says.", example = "2021-02-28.r1.json.gz")),
    responses(
        (status = 200, description = "The file, gzip: a reading on a line.", content_type = "application/gzip"),
        (status = 206, description = "The part of it.", content_type = "application/gzip"),
        (
            status = 404,
            description = "There is no such dump, or this API shows none.",
            body = Failure,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "This API shows no dumps: it was started without --blob-store-url."})
        ),
        (
            status = 416,
            description = "The range begins after the end of the file.",
            body = Failure,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Range Not Satisfiable", "status": 416, "detail": "The file has 154 bytes, and the range begins after them; ask for an earlier one."})
        )
    )
)]
async fn file(
    State(dumps): State<Dumps>,
    name: Result<Path<String>, PathRejection>,
    Parameters(Nothing {}): Parameters<Nothing>,
    method: Method,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let store = dumps.store()?;
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such dump. GET /api/dumps lists the dumps and their files.",
        )
    };
    let file = name
        .ok()
        .and_then(|Path(name)| File::parse(&name))
        .ok_or_else(unknown)?;
    let meta = within(store.head(&file.to_string())).await?.ok_or_else(unknown)?;
    let download = Download {
        size: meta.size,
        tag: meta.tag.as_deref().and_then(strong),
        kind: "application/gzip",
    };
    let mut headers = HeaderMap::new();
    if file.is_revision() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    }
    let (status, range) = download.answer(&method, &asked, &mut headers)?;
    if range.is_empty() {
        return Ok((status, headers).into_response());
    }
    let bytes = store.stream_range(&meta, range);
    Ok((status, headers, Body::from_stream(bytes)).into_response())
}

/// Asks the store within the deadline.
async fn within<T>(asked: impl Future<Output = Result<T, blob::Error>>) -> Result<T, Problem> {
    match timeout(TIMEOUT, asked).await {
        Ok(answer) => answer.map_err(Problem::unavailable),
        Err(elapsed) => Err(Problem::unavailable(elapsed)),
    }
}
