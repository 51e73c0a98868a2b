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

/// Bytes of the fields of a status. Stock clients refuse metadata of more than 8 KiB, and base64 makes them a third longer.
const DETAILS: usize = 4500;

/// Bytes that the encoding adds to a field, at the most.
const FIELD: usize = 9;

/// Bytes of a name of the client in a text.
const SHOWN: usize = 64;

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

/// A name that a client gave, cut where it is long.
#[must_use]
pub fn shown(name: &str) -> String {
    match name.char_indices().find(|(at, _)| *at >= SHOWN) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
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

/// As many fields as clients take.
fn with_fields(code: Code, text: &str, fields: Vec<Field>) -> Status {
    if fields.is_empty() {
        return Status::new(code, text);
    }
    let mut bytes = 0;
    let fields = fields.into_iter().take_while(|field| {
        bytes += field.path.len() + field.fault.len() + FIELD;
        bytes <= DETAILS
    });
    let fields: Vec<_> = fields
        .map(|field| FieldViolation::new(field.path, field.fault))
        .collect();
    Status::with_error_details(code, text, ErrorDetails::with_bad_request(fields))
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

/// What a client does after a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The same again, after this time.
    Again {
        /// What the server said.
        text: String,
        /// How long to wait; zero where the server does not say.
        after: Duration,
    },
    /// Less at once.
    TooLarge(String),
    /// Another request: the same would fail again.
    Final {
        /// What the server said.
        text: String,
        /// The fields at fault.
        fields: Vec<Field>,
        /// Something else is there under these names.
        exists: bool,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Again { text, .. } | Self::TooLarge(text) | Self::Final { text, .. } => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}

/// Reads a status that a server has answered.
#[must_use]
pub fn failure(status: &Status) -> Failure {
    let (text, details) = (status.message().to_owned(), status.get_error_details());
    let retry = details.retry_info().map(|retry| retry.retry_delay.unwrap_or_default());
    match (status.code(), retry) {
        (Code::ResourceExhausted, None) => Failure::TooLarge(text),
        (
            Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown,
            retry,
        ) => Failure::Again {
            text,
            after: retry.unwrap_or_default(),
        },
        // The stream was lost: no server has answered.
        (Code::Internal, _) if std::error::Error::source(status).is_some() => Failure::Again {
            text,
            after: Duration::ZERO,
        },
        (code, _) => {
            let violations = details
                .bad_request()
                .map(|faults| faults.field_violations.clone())
                .unwrap_or_default();
            let fields = violations.into_iter().map(|one| Field {
                path: one.field,
                fault: one.description,
            });
            Failure::Final {
                text,
                fields: fields.collect(),
                exists: code == Code::AlreadyExists,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// grpcio refuses a call whose metadata has more than 8 KiB.
    #[test]
    fn statuses_are_no_longer_than_clients_take() {
        let fields = (0..10_000).map(|at| Field {
            path: format!("msgs[{at}].id"),
            fault: "x".repeat(20),
        });
        let status = exists("No.", fields.collect());
        assert!(status.details().len() < 6000, "{}", status.details().len());
        assert!(matches!(failure(&status), Failure::Final { fields, .. } if fields.len() >= 100));
        assert_eq!(shown(&"ü".repeat(100)).len(), 64 + 2 + "…".len());
    }

    #[test]
    fn a_client_reads_what_a_server_wrote() {
        let fields = vec![Field {
            path: "msgs[3].id".to_owned(),
            fault: "it is empty".to_owned(),
        }];
        let wrong = |exists| Failure::Final {
            text: "No.".to_owned(),
            fields: fields.clone(),
            exists,
        };
        assert_eq!(failure(&invalid("No.", fields.clone())), wrong(false));
        assert_eq!(failure(&exists("No.", fields.clone())), wrong(true));
        assert_eq!(failure(&too_large("Less.")), Failure::TooLarge("Less.".to_owned()));
        let after = Duration::from_secs(7);
        let again = |after| Failure::Again {
            text: "Later.".to_owned(),
            after,
        };
        assert_eq!(failure(&busy("Later.", after)), again(after));
        assert_eq!(failure(&unavailable("Later.", after)), again(after));
        assert_eq!(failure(&Status::deadline_exceeded("Later.")), again(Duration::ZERO));
    }
}
