//! Reads a day in one snapshot.
//!
//! Readings that retention has dropped are not in the database any more: then the dump in force is read along
//! (`merge.rs`).

mod day;
mod days;
mod journal;
mod month;
mod snapshot;

pub(super) use day::{DaySnapshot, OfDay};
pub(super) use days::{DumpRecord, after as days_after};
pub(super) use journal::{JournalSnapshot, Stood, day_with_entries};
pub(super) use month::{Counted, Drop, Partition, States, count, drop_month, expired, states};
pub use snapshot::Snapshot;

use anyhow::Context;
use std::time::Duration;

/// The longest that the server may take for the next part of an answer.
const TIMEOUT: Duration = Duration::from_secs(120);

async fn with_timeout<T>(work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(TIMEOUT, work).await;
    Ok(answer.with_context(|| format!("the database sent nothing for {TIMEOUT:?}"))??)
}
