//! Answers, and what clients are told of failures.

use crate::Entry;
use crate::moment::Moment;
use crate::store::{NotStored, Refused};
use ::postgres::Error;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_postgres::error::SqlState;
use web::Problem;

/// A failure.
#[derive(Debug)]
pub(super) struct Failed(pub(super) Problem);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// Most bytes of a problem document.
const LONGEST: usize = 64 * 1024;

/// Adds the member `error` to problem documents, of the library as well: clients of the forerunner read it.
pub(super) async fn with_error(response: Response) -> Response {
    let problem = HeaderValue::from_static("application/problem+json");
    if response.headers().get(header::CONTENT_TYPE) != Some(&problem) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, LONGEST).await.unwrap_or_default();
    let mut members: Map<String, Value> = serde_json::from_slice(&bytes).unwrap_or_default();
    if let Some(detail) = members.get("detail").cloned() {
        members.insert("error".to_owned(), detail);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let bytes = serde_json::to_vec(&members).unwrap_or_else(|_| bytes.to_vec());
    Response::from_parts(parts, Body::from(bytes))
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(if error.is_outage() {
            Problem::unavailable(error)
        } else {
            Problem::internal(error)
        })
    }
}

impl From<NotStored> for Failed {
    fn from(error: NotStored) -> Self {
        match error {
            NotStored::Data(error) => {
                let code = error.code().map_or("", |state| state.code());
                tracing::info!(code, "refused an entry that the database cannot hold");
                let text = if error.code() == Some(&SqlState::PROGRAM_LIMIT_EXCEEDED) {
                    "The database cannot hold this entry: its text has too many words; write several entries."
                } else {
                    "The database cannot hold this entry: its encoding lacks some of the characters."
                };
                Self(Problem::bad_request(text))
            }
            NotStored::Unavailable(error) => error.into(),
        }
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        let (status, text) = match refused {
            Refused::Nothing => (StatusCode::NOT_FOUND, "There is no entry with this id."),
            Refused::Deleted => (StatusCode::GONE, "This entry was deleted."),
            Refused::Author => (StatusCode::FORBIDDEN, "Only its author may change or delete an entry."),
            Refused::Device => (
                StatusCode::FORBIDDEN,
                "This key may only write of its own device, and this entry is about another one.",
            ),
            Refused::Version => (
                StatusCode::PRECONDITION_FAILED,
                "The entry has changed since its ETag was read; read it again.",
            ),
            Refused::Invalid(invalid) => return Self(Problem::bad_request(invalid.to_string())),
        };
        Self(Problem::new(status, text))
    }
}

/// An answer of the forerunner's form: `{"data": ...}`.
pub(super) fn data(data: impl Serialize) -> Json<Value> {
    Json(json!({ "data": data }))
}

/// An entry as the forerunner writes it. What says nothing is left out.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    id: String,
    user: User,
    text: String,
    hashtags: Vec<String>,
    created_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
    received_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Moment>,
}

#[derive(Debug, Serialize)]
struct User {
    id: String,
    name: String,
}

impl From<Entry> for Message {
    fn from(entry: Entry) -> Self {
        let (latitude, longitude) = entry.place.unzip();
        Self {
            created_at: entry.moment(),
            id: entry.id.to_string(),
            user: User {
                id: entry.author_id.to_string(),
                name: entry.author,
            },
            text: entry.text,
            hashtags: entry.hashtags,
            device: entry.device,
            latitude,
            longitude,
            received_at: Moment(entry.received.as_millisecond()),
            edited_at: entry.edited.map(|edited| Moment(edited.as_millisecond())),
        }
    }
}
