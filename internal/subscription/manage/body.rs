//! What requests bring: JSON bodies, names in paths, the parameter `limit`.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value};
use web::Problem;

/// Most bytes of a body.
pub(super) const MAX: usize = 64 * 1024;

/// Most bytes of the body of an area: its points are many.
pub(super) const MAX_AREA: usize = 1024 * 1024;

/// Rows of an answer, unless the request says how many, and at the most.
const ROWS: i64 = 100;
const MOST_ROWS: i64 = 1000;

/// A body that is a JSON object; one without a body is an empty one.
pub(super) struct Object(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unread(&rejection))?;
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(Problem::bad_request(
                "The body is not a JSON object. Write it like {\"name\":\"hot\"}.",
            )),
            Err(error) => Err(Problem::bad_request(format!("The body is not JSON: {error}."))),
        }
    }
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let text = "The body is too large: at most 64 KiB, of an area 1 MiB.";
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text);
    }
    Problem::bad_request("The body broke off.")
}

/// The name in a path. Rows that were made by SQL may have others than [`is_name`].
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            // PostgreSQL has no texts with a NUL.
            Ok(Path(name)) if !name.contains('\0') => Ok(Self(name)),
            _ => Err(unknown("subscription or area")),
        }
    }
}

/// Whether this may be the name of a subscription or an area: 1 to 64 of `A-Z a-z 0-9 _ . -`, but `.` and `..`, which
/// lead elsewhere in a URL.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && !matches!(name, "." | "..")
}

/// Why a text is no name.
pub(super) const NO_NAME: &str = "write 1 to 64 of A-Z a-z 0-9 _ . -";

/// 404.
pub(super) fn unknown(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("There is no {what} with this name."))
}

/// The parameters of a list.
#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    pub(super) limit: Limit,
}

/// `?limit=100`: how many rows.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Limit(pub(super) i64);

impl Default for Limit {
    fn default() -> Self {
        Self(ROWS)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rows = text.parse().ok().filter(|rows| (1..=MOST_ROWS).contains(rows));
        rows.map(Self)
            .ok_or_else(|| format!("write a number from 1 to {MOST_ROWS}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_bounded() {
        for (text, expected) in [
            ("1", Some(1)),
            ("1000", Some(1000)),
            ("0", None),
            ("1001", None),
            ("all", None),
        ] {
            let limit = Limit::try_from(text.to_owned()).ok();
            assert_eq!(limit.map(|limit| limit.0), expected, "{text}");
        }
    }
}
