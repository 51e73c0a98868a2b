//! Daily dumps: the readings of a UTC day as a file that anybody can read.
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
//! The readings are frozen together with the day's version (`postgres/`), written as lines
//! (`line.rs`), compressed and uploaded on the way (`write.rs`) under a name of their own, and take
//! effect when the manifest names them (`commit.rs`). `read.rs` reads them back and verifies them. The
//! same readings give the same bytes. Two dumpers at once end in one valid revision, and a crash at any
//! point leaves the last one valid.
//!
//! The other way round, a dump is loaded into a database (`restore/`).
//!
//! `stale.rs` chooses the days that need it. `retention.rs` drops months whose days are all in their
//! dumps; what arrives for such a day later is merged with the dump in force (`merge.rs`).
//!
//! Deliberately not here: other formats, and deleting old revisions.

pub mod chunks;
mod commit;
mod day;
mod days;
mod line;
pub mod load;
mod manifest;
mod merge;
mod nightly;
mod postgres;
pub mod read;
pub mod restore;
mod retention;
mod stale;
#[cfg(test)]
mod tests;
mod write;

pub use day::{Day, DayError};
pub use days::Days;
// For the micro-benchmarks as well, which have to call what they measure.
pub use line::Line;
pub use manifest::Manifest;
pub use nightly::nightly;
pub use postgres::Snapshot;
pub use retention::{Fate, Month, Reason, Retention};
pub use stale::Swept;

use blob::Store;

/// Writes dumps from a database into a blob store. Cheap to clone.
#[derive(Clone)]
pub struct Dumper {
    pool: ::postgres::Pool,
    store: Store,
}

/// What a dump came to. The manifest is the one that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new revision has been written.
    Written(Manifest),
    /// The day's dump was up to date already, or another dumper has just brought it up to date.
    Unchanged(Manifest),
}

impl Outcome {
    /// The manifest that is in force.
    pub fn manifest(&self) -> &Manifest {
        match self {
            Self::Written(manifest) | Self::Unchanged(manifest) => manifest,
        }
    }
}

impl Dumper {
    /// A dumper of this database into this store. A dump holds one connection of the pool.
    pub fn new(pool: ::postgres::Pool, store: Store) -> Self {
        Self { pool, store }
    }

    /// Dumps a day, unless its dump is up to date. A day without readings gives an empty dump.
    ///
    /// # Errors
    /// Where the database or the store fails. What was in force stays in force; trying again is
    /// always safe.
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
