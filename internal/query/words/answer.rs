//! Answers and failures for clients.

use ::postgres::Error;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;
use web::Problem;

/// When to ask again where too many questions wait.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(2);

/// An answer that several clients may share: its JSON, written once.
pub(crate) type Answer = Result<Bytes, Problem>;

/// Writes an answer as JSON.
pub(crate) fn json(answer: &impl Serialize) -> Answer {
    serde_json::to_vec(answer).map(Bytes::from).map_err(Problem::internal)
}

pub(crate) fn respond(answer: Answer) -> Response {
    match answer {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// The client's answer to a failure of the database.
pub(crate) fn problem(error: Error) -> Problem {
    match error {
        Error::Busy => Problem::busy(
            "Too many questions wait for the database. Ask again after a while.",
            BUSY_RETRY_AFTER,
        ),
        error if error.is_outage() => Problem::unavailable(error),
        error => Problem::internal(error),
    }
}
