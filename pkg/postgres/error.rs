//! Errors, by what the caller does next.

use crate::sessions::SHARED;
use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used; say so and stop.
    #[error("the database URL cannot be used: {0}")]
    Url(String),
    /// The URL leads to a pooler that shares sessions between clients; say so and stop.
    #[error("{SHARED}")]
    SharedSessions,
    /// The server cannot be reached or cannot work now; try again.
    #[error("the database does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More questions wait for a connection than may; ask again later.
    #[error("too many questions wait for the database")]
    Busy,
    /// The schema cannot be brought to the version that this program needs; say so and stop.
    #[error("the database's schema could not be migrated")]
    Migrate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The role that connects may not change the schema; say so and stop.
    #[error(
        "this role may not change the database's schema; let the role that owns the tables migrate, and pass --migrate=false here"
    )]
    MayNotMigrate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server answered with an error that would come again.
    #[error("the database refused")]
    Refused(#[source] tokio_postgres::Error),
    /// The server has a value that this program cannot read; a person has to correct it.
    #[error(
        "the database holds a value that this program cannot read, such as the time infinity; find it by SQL and correct it"
    )]
    Unreadable(#[source] tokio_postgres::Error),
}

impl Error {
    /// Whether the database is at fault, and may be there again later. Otherwise the same fails again.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::SharedSessions | Self::Busy => true,
            Self::Url(_) | Self::Migrate(_) | Self::MayNotMigrate(_) | Self::Refused(_) | Self::Unreadable(_) => false,
        }
    }
}

/// The meaning of a failed statement for its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another transaction wrote the same identity first (23505) or conflicted otherwise (class 40):
    /// retry the whole transaction.
    Conflict,
    /// The data itself is at fault (classes 22 and 23): a retry fails again.
    Data,
    /// Anything else: a lost connection, a full disk, a missing privilege, a lock or statement
    /// timeout, a stored value that cannot be read. Not the fault of this data; try again later, without end.
    Unavailable,
}

impl Failure {
    /// Judges an error of a statement or a transaction.
    pub fn of(error: &tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else {
            return Self::Unavailable;
        };
        if *state == SqlState::UNIQUE_VIOLATION || state.code().starts_with("40") {
            Self::Conflict
        } else if *state == SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED {
            // Of class 22, but not the data's fault.
            Self::Unavailable
        } else if state.code().starts_with("22") || state.code().starts_with("23") {
            Self::Data
        } else {
            Self::Unavailable
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        if is_unreadable(&error) {
            return Self::Unreadable(error);
        }
        match Failure::of(&error) {
            Failure::Data => Self::Refused(error),
            Failure::Conflict | Failure::Unavailable => Self::Unavailable(error.into()),
        }
    }
}

/// Whether a value cannot be read. The driver shows this kind of error in its text alone.
fn is_unreadable(error: &tokio_postgres::Error) -> bool {
    error.to_string().starts_with("error deserializing column ")
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::PostCreateHook(HookError::Message(message)) if message == SHARED => Self::SharedSessions,
            // Without the pool's own words.
            PoolError::Backend(error) => Self::Unavailable(error.into()),
            error => Self::Unavailable(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_value_that_cannot_be_read_is_no_outage() {
        let server = testutil::database().await;
        let pool = crate::open(&server.url(), 1, Duration::from_secs(30)).unwrap();
        let client = pool.get().await.unwrap();
        let row = client.query_one("SELECT 1, NULL::int8", &[]).await.unwrap();
        for column in [0, 1] {
            let error = Error::from(row.try_get::<_, i64>(column).unwrap_err());
            assert!(matches!(error, Error::Unreadable(_)), "{error:?}");
            assert!(!error.is_outage());
        }
        let closed = async {
            client
                .execute("SELECT pg_terminate_backend(pg_backend_pid())", &[])
                .await?;
            client.execute("SELECT", &[]).await
        };
        let error = Error::from(closed.await.unwrap_err());
        assert!(error.is_outage(), "{error:?}");
    }
}
