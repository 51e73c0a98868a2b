//! Loads dumps of the journal into a database.
//!
//! Entries keep their ids. So one that is there already stays, unless the dump has a later edit of it; and one that was
//! deleted in the database stays deleted. A restore can be interrupted and repeated, and people may post beside it.

use super::Restorer;
use crate::journal::Manifest;
use crate::journal::read::{Reader, verified};
use crate::{Day, Days};
use anyhow::Context;
use entry::Record;
use repeat::Pauses;
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Entries of one transaction.
const BATCH: usize = 500;

/// How long the database may fail to store entries.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An event of a restore of the journal; as text, a line for the operator.
#[derive(Debug)]
pub enum Step {
    /// A day's journal was stored in the database.
    Restored {
        /// The manifest of the loaded dump.
        manifest: Box<Manifest>,
        /// How many of its entries were stored. The others were there.
        stored: u64,
    },
    /// The dump of a day's journal is damaged or could not be read.
    Failed {
        /// The day.
        day: Day,
        /// The reason.
        error: anyhow::Error,
    },
}

/// Counts of a restore of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Restored days.
    pub days: u64,
    /// Failed days.
    pub failed: u64,
    /// Entries that were stored: those that were not there, and later edits.
    pub stored: u64,
    /// Entries that were there.
    pub there: u64,
}

impl Restorer {
    /// Restores the journal of every day of this range that has a dump of it, in order, and reports to `each`. A failed
    /// day does not hold up the others. It may be cancelled at any moment and repeated.
    ///
    /// # Errors
    /// Where the store cannot list its dumps, or the database stores no entries. At once, where the role may not store
    /// them.
    pub async fn restore_journal(&self, range: Days, mut each: impl FnMut(&Step)) -> anyhow::Result<Restored> {
        let mut totals = Restored::default();
        let days = range.with_journal(&self.dumps).await?;
        // An error that a later try would get again.
        let may_restore = days.is_empty()
            || entry::may_restore(&self.pool)
                .await
                .context("look up this role's rights")?;
        anyhow::ensure!(
            may_restore,
            "the journal was not restored: this role may not write entries; be the tables' owner, or pass --journal=false"
        );
        for day in days {
            let step = match self.day_of_journal(day).await? {
                Ok((manifest, stored)) => {
                    totals.days += 1;
                    totals.stored += stored;
                    totals.there += manifest.entries.saturating_sub(stored);
                    Step::Restored {
                        manifest: Box::new(manifest),
                        stored,
                    }
                }
                Err(error) => {
                    totals.failed += 1;
                    Step::Failed { day, error }
                }
            };
            each(&step);
        }
        Ok(totals)
    }

    /// Restores the journal of a day. The inner error is its dump's, the outer one the database's.
    async fn day_of_journal(&self, day: Day) -> anyhow::Result<anyhow::Result<(Manifest, u64)>> {
        let manifest = match verified(&self.dumps, day).await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => {
                return Ok(Err(anyhow::anyhow!(
                    "the manifest has vanished; is another program writing to this store?"
                )));
            }
            Err(error) => return Ok(Err(error.into())),
        };
        let mut stored = 0;
        let again = "a part of it was loaded; start again";
        // It was verified a moment ago.
        let mut reader = match Reader::open(&self.dumps, &manifest).await {
            Ok(reader) => reader,
            Err(error) => return Ok(Err(anyhow::Error::from(error).context(again))),
        };
        loop {
            match reader.next().await {
                Ok(Some(records)) => {
                    for records in records.chunks(BATCH) {
                        let written = self.write_entries(records).await;
                        stored += written.with_context(|| format!("store the journal of {day}"))?;
                    }
                }
                Ok(None) => return Ok(Ok((manifest, stored))),
                Err(error) => return Ok(Err(anyhow::Error::from(error).context(again))),
            }
        }
    }

    /// Stores these entries in one transaction; waits for the database for a while.
    async fn write_entries(&self, records: &[Record]) -> anyhow::Result<u64> {
        let (begun, mut pauses) = (Instant::now(), Pauses::outage());
        loop {
            match entry::restore(&self.pool, records).await {
                Ok(stored) => return Ok(stored),
                Err(error) if !error.is_outage() || begun.elapsed() > TIMEOUT => {
                    return Err(error).context("the restore stopped; fix the cause and start it again");
                }
                Err(error) => {
                    let cause = anyhow::Error::from(error);
                    tracing::warn!(error = format!("{cause:#}"), "could not store entries; trying again");
                    sleep(pauses.grow()).await;
                }
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restored { manifest, stored } => {
                let Manifest {
                    date,
                    revision,
                    entries,
                    ..
                } = &**manifest;
                write!(
                    f,
                    "journal of {date} restored: revision {revision} with {entries} entries, {stored} stored"
                )
            }
            Self::Failed { day, error } => write!(f, "journal of {day} FAILED: {error:#}"),
        }
    }
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            days,
            failed,
            stored,
            there,
        } = self;
        write!(
            f,
            "{days} days of the journal restored: {stored} entries stored, {there} were there; {failed} days failed"
        )
    }
}
