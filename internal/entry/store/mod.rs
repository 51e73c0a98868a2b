//! Entries in PostgreSQL: posts, edits, deletes, and what a dump brings back.

mod change;
mod names;
mod post;
mod publish;
mod restoring;
mod trim;

pub(crate) use change::{By, Change, Changed, Refused};
pub(crate) use post::{Post, Posted};
pub use restoring::{may_restore, restore};

use ::postgres::{Error, Pool};
use deadpool_postgres::Object;
use tokio_postgres::Error as Failed;
use tokio_postgres::error::SqlState;

/// Why something was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStored {
    /// PostgreSQL cannot hold it.
    #[error("the database cannot hold the entry")]
    Data(#[source] Failed),
    /// Try again.
    #[error(transparent)]
    Unavailable(#[from] Error),
}

/// Entries in PostgreSQL. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: Pool,
}

impl Store {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

/// Closes a connection whose transaction is open, and says why.
fn broken(client: Object, error: Failed) -> NotStored {
    drop(Object::take(client));
    // A text may have more different words than PostgreSQL indexes, and would have them again.
    if error.code() == Some(&SqlState::PROGRAM_LIMIT_EXCEEDED) {
        return NotStored::Data(error);
    }
    match ::postgres::Failure::of(&error) {
        ::postgres::Failure::Data => NotStored::Data(error),
        ::postgres::Failure::Conflict | ::postgres::Failure::Unavailable => NotStored::Unavailable(error.into()),
    }
}
