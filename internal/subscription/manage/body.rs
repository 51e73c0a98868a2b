//! What requests bring: JSON bodies, names in paths, the parameter `limit`.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
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

/// The name in a path. One that cannot be a name is answered as one that is unknown.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) if is_name(&name) => Ok(Self(name)),
            _ => Err(unknown("name")),
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

/// `?limit=100`: how many rows.
pub(super) struct Limit(pub(super) i64);

impl<S: Send + Sync> FromRequestParts<S> for Limit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unread = |_: QueryRejection| Problem::bad_request("The parameters cannot be read.");
        let Query(given) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(unread)?;
        let mut rows = ROWS;
        for (name, value) in given {
            if name != "limit" {
                let shown: String = name.chars().take(64).collect();
                let text = format!("{shown:?}: unknown parameter. This endpoint takes limit.");
                return Err(Problem::bad_request(text));
            }
            rows = match value.parse() {
                Ok(rows @ 1..=MOST_ROWS) => rows,
                _ => {
                    return Err(Problem::bad_request(format!(
                        "limit: write a number from 1 to {MOST_ROWS}"
                    )));
                }
            };
        }
        Ok(Self(rows))
    }
}
