//! Daily dumps: the readings of a UTC day as a plain file, for every client that may read the store. A dump holds every
//! place of the vehicles, home addresses included.
//!
//! ```no_run
//! # async fn run() -> anyhow::Result<()> {
//! let pool = postgres::open("postgres://localhost/odograph", 2, std::time::Duration::from_secs(600))?;
//! let store = blob::Store::open("file:///var/lib/odograph/dumps")?;
//! let outcome = archive::Dumper::new(pool, store).dump("2024-05-01".parse()?).await?;
//! println!("{}", outcome.manifest().file);
//! # Ok(())
//! # }
//! ```
//!
//! A dump reads the day and its version in one snapshot (`postgres/`) and writes lines (`line.rs`). It
//! compresses and uploads them at once, under a name of their own (`write.rs`). It takes effect when the
//! manifest names that file (`commit.rs`). `read.rs` reads dumps back and verifies them. The same readings
//! give the same bytes. Two dumpers at once end in one valid revision, and a crash at any point leaves the
//! last one valid.
//!
//! `restore/` loads a dump into a database.
//!
//! `stale.rs` chooses the days to dump. `retention.rs` drops months whose days are all in their dumps. A
//! reading that arrives later for such a day is merged with the dump in force (`merge.rs`).
//!
//! `journal/` does the same for the entries of the journal, whose old revisions it deletes.
//!
//! Deliberately not here: other formats, and deleting old revisions of readings.

pub mod chunks;
mod claim;
mod commit;
mod day;
mod days;
mod file;
pub mod journal;
pub mod load;
mod manifest;
mod merge;
mod nightly;
mod outcome;
mod pack;
mod period;
mod postgres;
pub mod read;
pub mod restore;
mod retention;
mod stale;
#[cfg(test)]
mod tests;
mod unpack;
mod write;

pub use day::{Day, DayError};
pub use days::Days;
pub use file::File;
// Public for the micro-benchmarks.
pub use manifest::Manifest;
pub use nightly::nightly;
pub use outcome::Outcome;
pub use period::Retention;
pub use postgres::Snapshot;
pub use retention::{Fate, Month, Reason};
pub use stale::Swept;

use blob::Store;

/// Writes dumps from a database into a blob store. Cheap to clone.
#[derive(Clone)]
pub struct Dumper {
    pool: ::postgres::Pool,
    store: Store,
}

impl Dumper {
    /// Makes a dumper of this database into this store. A dump holds one connection of the pool.
    pub fn new(pool: ::postgres::Pool, store: Store) -> Self {
        Self { pool, store }
    }

    /// Dumps a day, unless its dump is up to date. A day without readings gives an empty dump.
    ///
    /// # Errors
    /// Where the database or the store fails. The dump in force stays in force; retrying is always safe.
    pub async fn dump(&self, day: Day) -> anyhow::Result<Outcome> {
        let outcome = commit::commit(&self.store, &postgres::OfDay { pool: &self.pool, day }).await?;
        let manifest = outcome.manifest();
        match outcome {
            Outcome::Written(_) => {
                tracing::info!(%day, file = manifest.file, readings = manifest.readings, bytes = manifest.bytes, "dumped the day");
            }
            Outcome::Unchanged(_) => tracing::info!(%day, file = manifest.file, "the day's dump is up to date"),
        }
        Ok(outcome)
    }
}
