//! A connection for one transaction.

use super::{LOCK_TIMEOUT, is_passing};
use ::postgres::{Error, Pool, Timer, Tries};
use deadpool_postgres::Object;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error as Failed, IsolationLevel, Transaction};

/// Of every transaction. The planner knows nothing of a partition that was just made, and would read all of it for each
/// id. Nor does it know that one plan serves requests of every length: it would plan those of a few ids anew each time,
/// over all epochs. What is acknowledged is on the disk, and each statement sees what was committed before it, also
/// where the server's settings say otherwise. A program that stopped between two statements does not keep the lock of
/// puts.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = on; SET LOCAL idle_in_transaction_session_timeout = '15s'; SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
    SET LOCAL plan_cache_mode = force_generic_plan";

/// Begins a transaction that has an advisory lock alone. It waits for this and later locks for [`LOCK_TIMEOUT`] each.
///
/// # Errors
/// Those of the database, such as that the lock did not come in time: see [`is_locked`].
pub(super) async fn alone(client: &mut Client, key: i64) -> Result<Transaction<'_>, Failed> {
    let committed = IsolationLevel::ReadCommitted;
    let transaction = client.build_transaction().isolation_level(committed).start().await?;
    let milliseconds = LOCK_TIMEOUT.as_millis();
    let lock = format!("SET LOCAL lock_timeout = {milliseconds}; SELECT pg_advisory_xact_lock({key})");
    transaction.batch_execute(&lock).await?;
    Ok(transaction)
}

/// Whether a lock did not come in time.
pub(super) fn is_locked(error: &Failed) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// The tries of a transaction, until it does not conflict with another.
pub(super) struct Session(Tries);

impl Session {
    pub(super) fn of(name: &'static str) -> Self {
        Self(Tries::of(name))
    }

    /// A connection for the next try, and what times it.
    ///
    /// # Errors
    /// Those of the pool.
    pub(super) async fn begin(&mut self, pool: &Pool) -> Result<(Object, Timer), Error> {
        let connection = pool.get().await?;
        Ok((connection, self.0.timer()))
    }

    /// After a try has failed: waits where another one may succeed. The connection is closed: a COPY that was refused
    /// leaves an answer on it.
    ///
    /// # Errors
    /// Why the try failed, where another one would fail as well.
    pub(super) async fn failed(&mut self, begun: (Object, Timer), error: Failed) -> Result<(), Error> {
        drop(Object::take(begun.0));
        if is_passing(&error) && self.0.again("another transaction was first").await {
            Ok(())
        } else {
            Err(error.into())
        }
    }
}
