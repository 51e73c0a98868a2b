//! `GET /api/dumps` and `GET /dumps/{file}`.

use super::list;
use crate::words::{Answer, Questions, json, page, respond};
use archive::{Day, File};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use blob::Store;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;
use web::{Parameters, Part, Problem, is_known};

/// Days of a page, unless the client says how many; and at the most.
const LIMIT: usize = 100;
const MOST: usize = 366;

/// The longest that the store may take to list its dumps, or to look one up.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A revision is never written twice, so a cache may keep it for a year without asking again.
const IMMUTABLE: &str = "max-age=31536000, immutable";

/// The routes of this question; without a store they answer 404 and say why.
pub(crate) fn routes(store: Option<Store>) -> Router {
    Router::new()
        .route("/api/dumps", get(dumps))
        .route("/dumps/{file}", get(file))
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

#[derive(Deserialize)]
struct PageOf {
    limit: Option<usize>,
    cursor: Option<String>,
}

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

/// Streams a dump's file, or the part of it that is asked for.
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
    let tag = meta.tag.as_deref().and_then(strong);
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(tag) = &tag {
        headers.insert(header::ETAG, value(tag)?);
    }
    if file.is_revision() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    }
    if tag.as_deref().is_some_and(|tag| is_known(&asked, tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    // A range is defined for GET alone.
    let part = if method == Method::GET {
        Part::asked(&asked, meta.size, tag.as_deref())
    } else {
        Part::Whole
    };
    let (status, range) = match part {
        Part::Whole => (StatusCode::OK, 0..meta.size),
        Part::Of(range) => {
            let last = range.end.saturating_sub(1);
            let of = format!("bytes {}-{last}/{}", range.start, meta.size);
            headers.insert(header::CONTENT_RANGE, value(&of)?);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Part::None => {
            let detail = format!(
                "The file has {} bytes, and the range begins after them; ask for an earlier one.",
                meta.size
            );
            let size = value(&format!("bytes */{}", meta.size))?;
            return Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).header(header::CONTENT_RANGE, size));
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
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

/// The store's tag as a strong ETag; none if it is weak, or has a character that an ETag cannot hold.
fn strong(tag: &str) -> Option<String> {
    let opaque = tag.trim_matches('"');
    let is_opaque = opaque.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    (!tag.starts_with("W/") && !opaque.is_empty() && is_opaque).then(|| format!("\"{opaque}\""))
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(Problem::internal)
}
