//! Compares two sources of readings, day by day and reading by reading. A source is a database, an event bus
//! or dumps.
//!
//! Only `odograph verify` uses it, no service.
//!
//! Each side returns a day's readings in one order, bytewise by device, sensor and time. `compare.rs` walks
//! both together, so that memory does not grow with the day. A database is read in that order, in one
//! snapshot. A dump has that order. A stream has any order and repetitions, so it is sorted first, in
//! temporary files (`events.rs`, `sort.rs`).
//!
//! A stream may hold several values of one identity. A database keeps the one committed first, and the stream
//! does not tell which that was. So an identity is equal if the other side's value is any of them.
//!
//! ```no_run
//! # async fn run(days: archive::Days, options: verify::Comparing) -> anyhow::Result<()> {
//! let first = verify::Address::parse("postgres://localhost/odograph")?;
//! let second = verify::Address::parse("file:///var/backups/odograph")?;
//! let verification = verify::Verification::open(first, second, days, &options).await?;
//! let days = verification.run(|day| println!("{day}")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately not here: repair of a difference.

mod compare;
mod damaged;
mod events;
mod options;
mod report;
mod sort;
#[cfg(test)]
mod tests;

pub use compare::{Difference, Tally};
pub use options::Comparing;
pub use report::{DayReport, DaysCompared, Side};

use anyhow::Context;
use archive::chunks::{QUEUE, SeriesChunk};
use archive::{Day, Days, Snapshot};
use damaged::Damaged;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Unbounded, since a day takes as long as it takes; the pauses in between are bounded.
const STATEMENT_TIMEOUT: Duration = Duration::ZERO;

/// A source of readings.
enum Source {
    /// A snapshot of a database, taken when this was opened.
    Database(Snapshot),
    /// The history of an event bus when this was opened.
    Stream(Arc<sort::Sorted>),
    Dumps(blob::Store),
}

/// The location of a source, from its URL; not opened yet.
#[derive(Debug)]
pub enum Address {
    /// A database.
    Database(::postgres::Pool),
    /// An event bus.
    Stream(String),
    /// The dumps in a blob store.
    Dumps(blob::Store),
}

impl Address {
    /// Parses a URL: `postgres://…` is a database, `nats://…` or `tls://…` an event bus. Any other is a blob
    /// store.
    ///
    /// # Errors
    /// Where the URL is invalid.
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        Ok(match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Self::Database(::postgres::open(url, 1, STATEMENT_TIMEOUT)?),
            Some("nats" | "tls") => Self::Stream(url.to_owned()),
            Some("memory") => anyhow::bail!("memory:// is not visible to another process; name a postgres:// database, a nats:// stream or a folder of dumps"),
            _ => Self::Dumps(blob::Store::open(url).context(
                "a source is a database (postgres://…), a stream (nats://…) or dumps (s3://…, gs://…, az://…, file:///…)",
            )?),
        })
    }

    /// Opens the source. A stream is read whole, which may take long.
    ///
    /// # Errors
    /// Where it does not answer, or the temporary files cannot be written.
    async fn open(self, days: Days, options: &Comparing) -> anyhow::Result<Listed> {
        let source = match self {
            Self::Database(pool) => Source::Database(Snapshot::begin(&pool).await?),
            Self::Stream(url) => {
                let sorted = events::read(&url, options, days).await;
                Source::Stream(Arc::new(sorted.context("read the stream")?))
            }
            Self::Dumps(store) => Source::Dumps(store),
        };
        let days = source.days(days).await.context("list its days")?;
        Ok(Listed { source, days })
    }

    fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

/// A source, and the days of the range that may have readings in it.
struct Listed {
    source: Source,
    days: BTreeSet<Day>,
}

/// Two sources to compare.
pub struct Verification {
    first: Listed,
    second: Listed,
}

impl Verification {
    /// Opens both sources. A stream goes first: reading it takes a while, and an earlier snapshot of a
    /// database would lack readings that arrived meanwhile.
    ///
    /// # Errors
    /// Where one does not answer.
    pub async fn open(first: Address, second: Address, days: Days, options: &Comparing) -> anyhow::Result<Self> {
        let (first, second) = if second.is_stream() && !first.is_stream() {
            let second = second.open(days, options).await.context("open the second source")?;
            (
                first.open(days, options).await.context("open the first source")?,
                second,
            )
        } else {
            let first = first.open(days, options).await.context("open the first source")?;
            (
                first,
                second.open(days, options).await.context("open the second source")?,
            )
        };
        Ok(Self { first, second })
    }

    /// Compares every day in turn. Calls `each` with every day on which a side has readings or cannot be
    /// read, equal or not.
    ///
    /// # Errors
    /// Where a source as a whole fails. A damaged dump is a difference, not an error.
    pub async fn run(&self, mut each: impl FnMut(&DayReport)) -> anyhow::Result<DaysCompared> {
        let mut totals = DaysCompared::default();
        for day in self.first.days.union(&self.second.days) {
            let report = self.day(*day).await.with_context(|| format!("compare {day}"))?;
            if report.is_empty() {
                continue;
            }
            totals.count(&report);
            each(&report);
        }
        Ok(totals)
    }

    async fn day(&self, day: Day) -> anyhow::Result<DayReport> {
        let (to_first, first) = mpsc::channel(QUEUE);
        let (to_second, second) = mpsc::channel(QUEUE);
        let (first, second, compared) = tokio::join!(
            self.first.read(day, to_first),
            self.second.read(day, to_second),
            compare::compare(first, second)
        );
        let mut damaged = (
            first.context("read the first source")?.err(),
            second.context("read the second source")?.err(),
        );
        let compared = compared.unwrap_or_else(|disorder| {
            let side = if disorder.second {
                &mut damaged.1
            } else {
                &mut damaged.0
            };
            side.get_or_insert_with(|| Damaged(disorder.to_string()));
            compare::Compared::default()
        });
        Ok(DayReport::new(day, compared, damaged.0, damaged.1))
    }
}

impl Listed {
    async fn read(&self, day: Day, to: mpsc::Sender<SeriesChunk>) -> anyhow::Result<Result<(), Damaged>> {
        if !self.days.contains(&day) {
            return Ok(Ok(()));
        }
        self.source.read(day, to).await
    }
}

impl Source {
    /// The days of this range that may have readings.
    async fn days(&self, range: Days) -> anyhow::Result<BTreeSet<Day>> {
        match self {
            Self::Database(snapshot) => snapshot.days(range).await,
            Self::Stream(sorted) => Ok(sorted.days().collect()),
            Self::Dumps(store) => range.dumped(store).await,
        }
    }

    /// Sends the readings of a day to `to`. The inner error says that they are unreliable.
    async fn read(&self, day: Day, to: mpsc::Sender<SeriesChunk>) -> anyhow::Result<Result<(), Damaged>> {
        match self {
            Self::Database(snapshot) => snapshot.read(day, to).await.map(Ok),
            Self::Stream(sorted) => {
                let sorted = sorted.clone();
                let reading = tokio::task::spawn_blocking(move || sorted.read(day, &to));
                let read = reading.await.context("the reading thread ended")?;
                read.context("read the temporary files").map(Ok)
            }
            Self::Dumps(store) => {
                let read = archive::load::read(store, day, to).await;
                Ok(read.map(|_| ()).map_err(|error| Damaged(format!("{error:#}"))))
            }
        }
    }
}
