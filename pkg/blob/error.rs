//! Errors, by what the caller does next.

use std::time::Duration;

/// Why an operation on blobs failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Correct the URL in the configuration.
    #[error("blob store URL: {0}")]
    Url(String),
    /// Choose another name for the blob.
    #[error(
        "blob name {name:?} is not valid: it is empty, has an empty or dotted part, or a character that paths cannot hold"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Give the program the rights, or other credentials; trying again does not help.
    #[error("not allowed to {operation} blob {name:?}; check the credentials and their rights")]
    Denied {
        /// What was tried.
        operation: &'static str,
        /// The blob.
        name: String,
        /// The store's answer.
        source: Failure,
    },
    /// There is no such blob, or no such bucket or container.
    #[error("blob {name:?} does not exist, or its bucket does not exist")]
    Missing {
        /// The blob.
        name: String,
    },
    /// Read it with [`Store::stream`](crate::Store::stream).
    #[error("blob {name:?} has {size} bytes, too many to be read at once")]
    TooLarge {
        /// The blob.
        name: String,
        /// Its length in bytes.
        size: u64,
    },
    /// Try again later. A write may or may not have happened.
    #[error("could not {operation} blob {name:?}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The blob.
        name: String,
        /// The store's answer, or the lack of one.
        source: Failure,
    },
}

/// The store's or the system's error, or a missed deadline.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store's client. Its text holds its causes already, so they are no sources.
    #[error("{0}")]
    Store(object_store::Error),
    /// The file system.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
}

/// Sorts a failure by what the caller does next.
pub(crate) fn explain(operation: &'static str, name: &str, error: object_store::Error) -> Error {
    use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
    let name = name.to_owned();
    match error {
        NotFound { .. } => Error::Missing { name },
        PermissionDenied { .. } | Unauthenticated { .. } => Error::Denied {
            operation,
            name,
            source: Failure::Store(error),
        },
        error if refused(&error) => Error::Denied {
            operation,
            name,
            source: Failure::Store(error),
        },
        error => Error::Unavailable {
            operation,
            name,
            source: Failure::Store(error),
        },
    }
}

/// Whether the file system denied access, which the store's client does not distinguish.
fn refused(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    })
}
