//! Messages in PostgreSQL.

mod clean;
mod copy;
mod delete;
mod epoch;
mod get;
mod put;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use clean::Size;
pub(crate) use get::Answer;
pub(crate) use put::{Conflict, Verdict};

use ::postgres::{Failure, Pool};
use std::time::Duration;

/// The key of the advisory lock that a put shares and a roll has alone. The number is arbitrary and must never change.
const PUTS: i64 = 0x6d65_7373_6167_6573;

/// The key of the advisory lock that who cleans has alone. The number is arbitrary and must never change.
const CLEANS: i64 = 0x6d65_7373_636c_6561;

/// How long a roll or a drop waits for its lock: each put waits behind it.
const LOCK_TIMEOUT: Duration = Duration::from_millis(400);

/// Messages in PostgreSQL. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: Pool,
    /// Of epochs that are opened from now on.
    retention: Duration,
}

impl Store {
    /// Makes a store over a pool. New messages are kept for this time.
    pub(crate) fn new(pool: Pool, retention: Duration) -> Self {
        Self { pool, retention }
    }
}

/// Whether another try of a transaction may succeed at once: another writer was first, or an epoch was dropped.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::SqlState;
    let vanished = error.code().is_some_and(|code| {
        *code == SqlState::UNDEFINED_TABLE || *code == SqlState::CHECK_VIOLATION || *code == SqlState::INTERNAL_ERROR
    });
    vanished || Failure::of(error) == Failure::Conflict
}
