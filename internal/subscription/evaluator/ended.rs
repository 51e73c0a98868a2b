//! Why a look at the database ended early.

use tokio::time::error::Elapsed;
use tokio_postgres::error::SqlState;

/// Why a look at the database ended early.
pub(super) enum Ended {
    Failed(::postgres::Error),
    /// Another transaction was first; nothing is committed, and nothing is wrong.
    Again,
    /// Another process holds the lease.
    Lost,
}

impl From<::postgres::Error> for Ended {
    fn from(error: ::postgres::Error) -> Self {
        match error {
            ::postgres::Error::Unavailable(source) if source.downcast_ref().is_some_and(is_conflict) => Self::Again,
            error => Self::Failed(error),
        }
    }
}

impl From<tokio_postgres::Error> for Ended {
    fn from(error: tokio_postgres::Error) -> Self {
        ::postgres::Error::from(error).into()
    }
}

impl From<Elapsed> for Ended {
    fn from(elapsed: Elapsed) -> Self {
        Self::Failed(::postgres::Error::Unavailable(elapsed.into()))
    }
}

fn is_conflict(error: &tokio_postgres::Error) -> bool {
    let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    error.code().is_some_and(|code| conflicts.contains(code))
}
