//! Statuses, by what a client does next.
//!
//! | next | status |
//! |---|---|
//! | mend the request | `INVALID_ARGUMENT`, `ALREADY_EXISTS`, each with the fields at fault |
//! | present a key | `UNAUTHENTICATED`, `PERMISSION_DENIED` |
//! | send less at once | `RESOURCE_EXHAUSTED` without `RetryInfo` |
//! | send the same again | `RESOURCE_EXHAUSTED` with `RetryInfo`, `UNAVAILABLE`, `DEADLINE_EXCEEDED` |
//! | report it to us | `INTERNAL` |

use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The only text of an `INTERNAL` of ours.
pub(crate) const INTERNAL: &str = "The server failed; its log says how.";

/// A field at fault, such as `msgs[3].id`, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path in the request.
    pub path: String,
    /// What is wrong, and what would be right.
    pub fault: String,
}

/// `INVALID_ARGUMENT`: these fields can never be taken.
#[must_use]
pub fn invalid(text: &str, fields: Vec<Field>) -> Status {
    with_fields(Code::InvalidArgument, text, fields)
}

/// `ALREADY_EXISTS`: something else is there under these names.
#[must_use]
pub fn exists(text: &str, fields: Vec<Field>) -> Status {
    with_fields(Code::AlreadyExists, text, fields)
}

fn with_fields(code: Code, text: &str, fields: Vec<Field>) -> Status {
    if fields.is_empty() {
        return Status::new(code, text);
    }
    let fields = fields
        .into_iter()
        .map(|field| FieldViolation::new(field.path, field.fault));
    Status::with_error_details(code, text, ErrorDetails::with_bad_request(fields.collect::<Vec<_>>()))
}

/// `RESOURCE_EXHAUSTED` without `RetryInfo`: a smaller request may be taken.
#[must_use]
pub fn too_large(text: &str) -> Status {
    Status::resource_exhausted(text)
}

/// `RESOURCE_EXHAUSTED` with `RetryInfo`: the same may be taken after a time.
#[must_use]
pub fn busy(text: &str, after: Duration) -> Status {
    Status::with_error_details(
        Code::ResourceExhausted,
        text,
        ErrorDetails::with_retry_info(Some(after)),
    )
}

/// `UNAVAILABLE`, with `RetryInfo`.
#[must_use]
pub fn unavailable(text: &str, after: Duration) -> Status {
    Status::with_error_details(Code::Unavailable, text, ErrorDetails::with_retry_info(Some(after)))
}

/// `INTERNAL`, without the reason: log it.
#[must_use]
pub fn internal() -> Status {
    Status::internal(INTERNAL)
}
