//! Loads dumps into a database.
//!
//! A dump is read twice: first to verify it to the last byte, then to load it; so a damaged one loads
//! nothing. It is stored as the persistor stores messages. So readings that are stored already are
//! duplicates, a restore can be interrupted and repeated, and live readings may arrive beside it.
//!
//! The database records the dumps that were loaded into it (`postgres.rs`), like those that were written from
//! it. So a day that holds exactly its dump is up to date.

pub mod journal;
mod postgres;
#[cfg(test)]
mod tests;

use super::chunks::{QUEUE, SeriesChunk};
use super::{Day, Days, Manifest, load};
use anyhow::Context;
use reading::message::Message;
use repeat::Pauses;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use store::{Store, Stored};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// How long the database may fail to store readings.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Loads dumps from a blob store into a database.
pub struct Restorer {
    dumps: blob::Store,
    pool: ::postgres::Pool,
    readings: Store,
    batch: usize,
}

/// An event of a restore; as text, a line for the operator.
#[derive(Debug)]
pub enum Step {
    /// These days, both included, have no dump. They lie between days with dumps, or within the given range.
    Missing(Day, Day),
    /// A day's dump was stored in the database.
    Restored {
        /// The manifest of the loaded dump.
        manifest: Box<Manifest>,
        /// Outcome of its readings.
        stored: Stored,
        /// The position among the days with dumps, and their number.
        number: (usize, usize),
    },
    /// A day's dump is damaged or could not be read.
    Failed {
        /// The day.
        day: Day,
        /// The reason.
        error: anyhow::Error,
        /// The position among the days with dumps, and their number.
        number: (usize, usize),
    },
}

/// Counts of a restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Restored days.
    pub days: u64,
    /// Failed days.
    pub failed: u64,
    /// Outcome of the readings.
    pub stored: Stored,
}

impl Restorer {
    /// Makes a restorer from `dumps` into the database of `pool`, whose schema is prepared. A transaction
    /// takes about `batch` readings.
    pub fn new(dumps: blob::Store, pool: ::postgres::Pool, batch: usize) -> Self {
        Self {
            dumps,
            readings: Store::new(pool.clone()),
            pool,
            batch: batch.max(1),
        }
    }

    /// Checks that a day of this range has a dump: of its readings or, with `journal`, of its journal.
    ///
    /// # Errors
    /// Where it has none, or the store cannot list its dumps.
    pub async fn check(&self, range: Days, journal: bool) -> anyhow::Result<()> {
        let has_dumps = !range.dumped(&self.dumps).await?.is_empty()
            || (journal && !range.with_journal(&self.dumps).await?.is_empty());
        anyhow::ensure!(
            has_dumps,
            "there is no dump of these days; is the blob store's URL right?"
        );
        Ok(())
    }

    /// Restores every day of this range that has a dump, in order, and reports to `each`. A failed day does
    /// not hold up the others. It may be cancelled at any moment and repeated.
    ///
    /// # Errors
    /// Where the store cannot list its dumps, or where the database stores no readings.
    pub async fn restore(&self, range: Days, mut each: impl FnMut(&Step)) -> anyhow::Result<Restored> {
        let days = range.dumped(&self.dumps).await?;
        let mut totals = Restored::default();
        let mut missing = missing(&days, range).into_iter().peekable();
        for (number, day) in (1..).zip(&days) {
            while let Some((from, to)) = missing.next_if(|(from, _)| from < day) {
                each(&Step::Missing(from, to));
            }
            let number = (number, days.len());
            let step = match self.day(*day).await? {
                Ok((manifest, stored)) => {
                    totals.days += 1;
                    totals.stored = sum(totals.stored, stored);
                    Step::Restored {
                        manifest: Box::new(manifest),
                        stored,
                        number,
                    }
                }
                Err(error) => {
                    totals.failed += 1;
                    Step::Failed {
                        day: *day,
                        error,
                        number,
                    }
                }
            };
            each(&step);
        }
        for (from, to) in missing {
            each(&Step::Missing(from, to));
        }
        Ok(totals)
    }

    /// Restores a day. The inner error is its dump's, the outer one the database's.
    async fn day(&self, day: Day) -> anyhow::Result<anyhow::Result<(Manifest, Stored)>> {
        if let Err(error) = load::check(&self.dumps, day).await {
            return Ok(Err(error));
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (loaded, stored) = tokio::join!(load::read(&self.dumps, day, sender), self.store(receiver));
        let stored = stored.with_context(|| format!("store the readings of {day}"))?;
        let manifest = match loaded {
            Ok(manifest) => manifest,
            // It was verified a moment ago.
            Err(error) => return Ok(Err(error.context("part of it was loaded; start again"))),
        };
        let recorded = postgres::record(&self.pool, &manifest, stored).await;
        recorded.with_context(|| format!("record the dump of {day} in the database"))?;
        Ok(Ok((manifest, stored)))
    }

    /// Stores the received readings, about `batch` in a transaction.
    async fn store(&self, mut chunks: mpsc::Receiver<SeriesChunk>) -> anyhow::Result<Stored> {
        let mut total = Stored::default();
        let (mut held, mut readings) = (Vec::new(), 0);
        while let Some(chunk) = chunks.recv().await {
            readings += chunk.points.len();
            held.push(chunk);
            if readings >= self.batch {
                total = sum(total, self.write(&held).await?);
                held.clear();
                readings = 0;
            }
        }
        if !held.is_empty() {
            total = sum(total, self.write(&held).await?);
        }
        Ok(total)
    }

    /// Stores these readings in one transaction; waits for the database for a while.
    async fn write(&self, chunks: &[SeriesChunk]) -> anyhow::Result<Stored> {
        let runs = chunks.iter().map(|chunk| (&chunk.name, &chunk.points[..]));
        let message = Message::of(runs).context("the dump holds an invalid reading")?;
        let (begun, mut pauses) = (Instant::now(), Pauses::outage());
        loop {
            match self.readings.write(std::slice::from_ref(&message)).await {
                Ok(stored) => return Ok(stored),
                Err(error) if matches!(error, store::Error::Data(_)) || begun.elapsed() > TIMEOUT => {
                    return Err(error)
                        .context("the restore stopped; fix the cause and start it again, stored readings count once");
                }
                Err(error) => {
                    let cause = anyhow::Error::from(error);
                    tracing::warn!(error = format!("{cause:#}"), "could not store readings; trying again");
                    sleep(pauses.grow()).await;
                }
            }
        }
    }
}

fn sum(one: Stored, other: Stored) -> Stored {
    Stored {
        persisted: one.persisted + other.persisted,
        duplicates: one.duplicates + other.duplicates,
        conflicts: one.conflicts + other.conflicts,
    }
}

/// The spans of days without a dump: between days with one, and up to the given ends of the range.
fn missing(dumped: &BTreeSet<Day>, range: Days) -> Vec<(Day, Day)> {
    let mut spans = Vec::new();
    let mut next = range.from().or(dumped.first().copied());
    for day in dumped {
        if let Some(next) = next.filter(|next| next < day) {
            spans.push((next, day.previous()));
        }
        next = Some(day.next());
    }
    if let (Some(next), Some(to)) = (next, range.to())
        && next <= to
        && !dumped.contains(&to)
    {
        spans.push((next, to));
    }
    spans
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(from, to) if from == to => write!(f, "{from} has no dump"),
            Self::Missing(from, to) => write!(f, "{from} to {to} have no dumps"),
            Self::Restored {
                manifest,
                stored,
                number: (number, of),
            } => {
                let Manifest {
                    date,
                    revision,
                    readings,
                    ..
                } = &**manifest;
                write!(
                    f,
                    "{date} restored: revision {revision} with {readings} readings, {} ({number} of {of})",
                    Words(*stored)
                )
            }
            Self::Failed {
                day,
                error,
                number: (number, of),
            } => write!(f, "{day} FAILED: {error:#} ({number} of {of})"),
        }
    }
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days, failed, stored } = *self;
        write!(f, "{days} days restored: {}; {failed} days failed", Words(stored))
    }
}

struct Words(Stored);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stored {
            persisted,
            duplicates,
            conflicts,
        } = self.0;
        write!(
            f,
            "{persisted} persisted, {duplicates} duplicates, {conflicts} conflicts"
        )
    }
}
