//! Brings every day's dump up to date.

use super::read::ReadError;
use super::{Day, Dumper, Outcome, commit, postgres};
use anyhow::bail;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

/// Days listed at once; few in tests, so that they see more than one list.
const PAGE: usize = if cfg!(test) { 3 } else { 1000 };

/// Manifests read at once.
const AT_ONCE: usize = 8;

/// Consecutive failed days that end a sweep, unless the cause is the day's. The database or the store is
/// gone, and the others would fail as well.
const MAX_FAILED_DAYS: u32 = 5;

/// Counts of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Days whose dump was written.
    pub dumped: u64,
    /// Days whose dump was up to date.
    pub current: u64,
    /// Days that failed, each logged with its reason; the next run tries them again.
    pub failed: u64,
}

impl Dumper {
    /// Dumps every stale or undumped day up to and including `until`, oldest first, one after the other.
    /// `until` is dumped even without readings; the database does not know other days without any. A failed
    /// day does not hold up the others.
    ///
    /// Later days are left out: they are not over, and would be stale at once. It begins no day after `stop`.
    ///
    /// # Errors
    /// Where the days cannot be listed, the database or the store stops answering, or `stop` came first.
    /// Finished dumps stay.
    pub async fn dump_stale(&self, until: Day, stop: &CancellationToken) -> anyhow::Result<Swept> {
        let mut swept = Swept::default();
        let mut unanswered = Unanswered::default();
        let mut last = None;
        loop {
            let mut page = postgres::days_after(&self.pool, last, until, PAGE).await?;
            let is_end = page.len() < PAGE;
            if is_end && page.last().is_none_or(|(day, _)| *day != until) && last != Some(until) {
                page.push((until, Vec::new()));
            }
            last = page.last().map(|(day, _)| *day);
            let store = &self.store;
            let mut days = futures_util::stream::iter(page)
                .map(|(day, fresh)| async move { (day, commit::is_due(store, day, &fresh).await) })
                .buffered(AT_ONCE);
            while let Some((day, due)) = days.next().await {
                if stop.is_cancelled() {
                    bail!("a signal came before {day} was checked; run it again");
                }
                if let Ok(false) = due {
                    swept.current += 1;
                    continue;
                }
                // If the state is unknown, dumping the day reports why.
                match self.dump(day).await {
                    Ok(Outcome::Written(_)) => swept.dumped += 1,
                    Ok(Outcome::Unchanged(_)) => swept.current += 1,
                    Err(error) => {
                        swept.failed += 1;
                        tracing::error!(%day, error = format!("{error:#}"), "could not dump the day; going on with the others");
                        unanswered.failed(day, &error)?;
                        continue;
                    }
                }
                unanswered.answered();
            }
            if is_end {
                tracing::info!(
                    dumped = swept.dumped,
                    current = swept.current,
                    failed = swept.failed,
                    "all days were checked"
                );
                return Ok(swept);
            }
        }
    }
}

/// How many days failed in a row because the database or the store is gone.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    days: u32,
}

impl Unanswered {
    /// A day went well.
    pub(super) fn answered(&mut self) {
        self.days = 0;
    }

    /// A day failed with this error. Fails where the others would fail as well.
    pub(super) fn failed(&mut self, day: Day, error: &anyhow::Error) -> anyhow::Result<()> {
        self.days = if is_unanswered(error) { self.days + 1 } else { 0 };
        if self.days == MAX_FAILED_DAYS {
            bail!("gave up after {MAX_FAILED_DAYS} days in a row failed, the last one, {day}, with: {error:#}");
        }
        Ok(())
    }
}

/// Whether the database or the store did not answer, or refused everything.
fn is_unanswered(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<deadpool_postgres::PoolError>()
            || cause.is::<tokio::time::error::Elapsed>()
            || is_unanswered_by(cause.downcast_ref())
            || matches!(cause.downcast_ref(), Some(ReadError::Store(error)) if is_unanswered_by(Some(error)))
    })
}

fn is_unanswered_by(store: Option<&blob::Error>) -> bool {
    matches!(
        store,
        Some(blob::Error::Unavailable { .. } | blob::Error::Denied { .. })
    )
}
