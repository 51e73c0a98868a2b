//! `GET /tiles/{file}`: ranges of the user's map.

use crate::map::Archive;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::io::SeekFrom;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;
use web::{Download, Problem, strong};

/// The content type of a file of PMTiles.
const KIND: &str = "application/octet-stream";

/// The longest that a store may take to look the map up.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Answers with the part of the map that is asked for.
pub(crate) async fn tiles(archive: &Archive, method: &Method, asked: &HeaderMap) -> Result<Response, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    match archive {
        Archive::File(path) => of_file(path, method, asked, headers).await,
        Archive::Blob(store, name) => {
            let meta = match timeout(TIMEOUT, store.head(name)).await {
                Ok(meta) => meta.map_err(Problem::unavailable)?.ok_or_else(gone)?,
                Err(elapsed) => return Err(Problem::unavailable(elapsed)),
            };
            let download = Download {
                size: meta.size,
                tag: meta.tag.as_deref().and_then(strong),
                kind: KIND,
            };
            let (status, range) = download.answer(method, asked, &mut headers)?;
            if range.is_empty() {
                return Ok((status, headers).into_response());
            }
            let bytes = store.stream_range(&meta, range);
            Ok((status, headers, Body::from_stream(bytes)).into_response())
        }
    }
}

async fn of_file(path: &Path, method: &Method, asked: &HeaderMap, mut headers: HeaderMap) -> Result<Response, Problem> {
    let mut file = File::open(path).await.map_err(|_| gone())?;
    let about = file.metadata().await.map_err(Problem::internal)?;
    let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let age = written.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let download = Download {
        size: about.len(),
        tag: Some(format!("\"{:x}-{:x}\"", age.as_nanos(), about.len())),
        kind: KIND,
    };
    let (status, range) = download.answer(method, asked, &mut headers)?;
    if range.is_empty() {
        return Ok((status, headers).into_response());
    }
    file.seek(SeekFrom::Start(range.start))
        .await
        .map_err(Problem::internal)?;
    let bytes = ReaderStream::new(file.take(range.end - range.start));
    Ok((status, headers, Body::from_stream(bytes)).into_response())
}

fn gone() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "The map of this server is no longer where --map says. Its operator can put it back.",
    )
}
