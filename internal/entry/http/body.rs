//! Bodies of requests, of any named type.

use super::answer::Failed;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;
use web::Problem;

/// How long a client may take to send its body.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a JSON object.
pub(super) async fn read<T: DeserializeOwned>(request: Request, max_body: usize) -> Result<T, Failed> {
    let late = |_| {
        let text = "The body did not come within 10 s; send it again.";
        Problem::new(StatusCode::REQUEST_TIMEOUT, text)
    };
    let read = timeout(TIMEOUT, Bytes::from_request(request, &()))
        .await
        .map_err(late)?;
    let body = read.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let text = format!("The body is larger than {max_body} bytes; write several entries.");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        Problem::bad_request("The body broke off; send it again.")
    })?;
    // Some editors begin a text with a byte order mark.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
    let parsed = serde_json::from_slice(body);
    Ok(parsed.map_err(|error| {
        let example = r#"{"text": "ferry to #Cres"}"#;
        Problem::bad_request(format!("The body cannot be read as JSON such as {example}: {error}."))
    })?)
}
