//! The tables of readings, and the one transaction that writes them.
//!
//! ```no_run
//! # async fn run(message: reading::message::Message) -> Result<(), Box<dyn std::error::Error>> {
//! let pool = postgres::open("postgres://localhost/odograph", 2, std::time::Duration::from_secs(25))?;
//! schema::prepare(&pool, true).await?;
//! let stored = store::Store::new(pool).write(&[message]).await?;
//! println!("{} readings persisted", stored.persisted);
//! # Ok(())
//! # }
//! ```
//!
//! Every process writes in one order, so that no two writers deadlock:
//!
//! 1. readings by month, series and time;
//! 2. receipts by upload and message;
//! 3. latest values by id;
//! 4. the versions of the days touched, then the days of each device;
//! 5. the change that subscriptions judge.
//!
//! Partitions and series are made before, each in a transaction of its own. Dead letters have transactions of their
//! own, too: those of rejected lines are stored after the receipt lines, those of refused messages after the receipts.
//!
//! COPY writes readings straight into their month's partition. Identity is the primary key, and COPY fails on
//! the first stored identity. So readings are looked up first (`existing.rs`), except those newer than their
//! series' latest. If another writer commits the same identity in between, the transaction fails, and the
//! next try looks everything up. If a receipt shows that a message was stored before, the next try leaves
//! that message out.
//!
//! Deliberately not here: the bus, when a batch closes (`persist`), and migrations (`schema`).

pub mod batch;
mod change;
#[cfg(test)]
mod change_tests;
mod copy;
mod counts;
mod days;
pub mod dead;
pub mod device_names;
mod error;
mod existing;
mod invalid;
mod lock;
mod looks;
mod ordinality;
mod partition;
#[cfg(test)]
mod receipt_tests;
mod receipts;
mod series;
#[cfg(test)]
mod series_tests;
#[cfg(test)]
mod tests;
pub mod text;

/// The schema version whose tables these statements use.
pub const SCHEMA: i32 = 15;

// Public for the micro-benchmarks.
pub use copy::Rows;

use self::receipts::OnExisting;
use self::series::{Series, Taken};
use ::postgres::{Failure, Pool, Tries};
use batch::{Batch, Month, Part};
use change::{Changes, Spans};
pub use copy::Timestamptz;
pub use counts::Stored;
use days::Days;
pub use days::span_of_device;
pub use dead::DeadLetter;
use deadpool_postgres::{ClientWrapper, Object, Transaction};
pub use error::Error;
pub use invalid::{InvalidLine, RECEIPT_LINES};
use lock::lock;
pub use looks::Look;
pub use partition::{
    attach as make_partition, days_before, drop_partition, make_day, month_of_name as month_of_partition,
    name_of_day as partition_of_day,
};
use reading::message::Message;
use reading::{NameRef, Point};
pub use receipts::newest as newest_receipt;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Retries after a partition was dropped concurrently.
const VANISHED: usize = 3;

/// Stores messages of readings.
pub struct Store {
    pool: Pool,
    known: Mutex<series::Cache>,
    months: Mutex<HashSet<(i64, i64)>>,
    /// Days (since 1970) that have a partition of receipts.
    receipts: Mutex<BTreeSet<i64>>,
    /// Likewise of invalid lines.
    lines: Mutex<BTreeSet<i64>>,
    /// None where no changes are written.
    changes: Option<Changes>,
    history: bool,
    /// Notified after each commit.
    committed: Option<Arc<Notify>>,
}

impl Store {
    /// Makes a store over this pool.
    pub fn new(pool: Pool) -> Self {
        Self::remembering(pool, series::REMEMBERED)
    }

    /// Makes a store that remembers at most this many series.
    fn remembering(pool: Pool, most: usize) -> Self {
        Self {
            pool,
            known: Mutex::new(series::Cache::new(most)),
            months: Mutex::default(),
            receipts: Mutex::default(),
            lines: Mutex::default(),
            changes: Some(Changes::default()),
            history: false,
            committed: None,
        }
    }

    /// Makes a store for messages that this or another database stored before. Their readings are looked up
    /// once more. Receipts stay as they are, except for readings that failed before.
    ///
    /// [`Store::write_silently`] is for those of them of which subscriptions were told then.
    pub fn of_history(pool: Pool) -> Self {
        Self {
            history: true,
            ..Self::new(pool)
        }
    }

    /// Writes no changes, so subscriptions are not told of what this store writes.
    #[must_use]
    pub fn without_changes(self) -> Self {
        Self { changes: None, ..self }
    }

    /// Notifies after each commit, for those in this process who look for what is new.
    #[must_use]
    pub fn notifying(self, committed: Arc<Notify>) -> Self {
        Self {
            committed: Some(committed),
            ..self
        }
    }

    /// Looks at the clock. Returns the moment by which ages are judged, in microseconds since 1970: a look a
    /// day earlier. None: nothing may be deleted yet.
    ///
    /// # Errors
    /// Where the database cannot do that now.
    pub async fn look_at_clock(&self) -> Result<Option<i64>, ::postgres::Error> {
        Ok(Look::now().remember(&*self.pool.get().await?).await?)
    }

    /// Stores all these messages in one transaction, or none of them. Leaves out messages that were stored
    /// before.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write(&self, messages: &[Message]) -> Result<Stored, Error> {
        self.write_telling(messages, self.changes.as_ref()).await
    }

    /// As [`Store::write`], but subscriptions are not told of these readings: they were when they were stored first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write_silently(&self, messages: &[Message]) -> Result<Stored, Error> {
        self.write_telling(messages, None).await
    }

    async fn write_telling(&self, messages: &[Message], changes: Option<&Changes>) -> Result<Stored, Error> {
        let mut tries = Tries::of("store_readings");
        let mut doubts = Doubts::default();
        let mut vanished = 0;
        loop {
            // Do not reuse a connection whose statement failed. A COPY that is refused before it begins
            // leaves an extra answer on it (tokio-postgres 0.7 sends a second Sync). A later COMMIT would
            // take an earlier answer for its own.
            let mut client = self.client().await?;
            self.prepare_receipts(&mut client, messages).await?;
            let timer = tries.timer();
            let attempt = self.attempt(&mut client, messages, changes, doubts).await;
            drop(timer);
            // A change without a partition is our own verdict; the connection is as before.
            if attempt.as_ref().is_err_and(|failed| !matches!(failed, Failed::Watched)) {
                drop(Object::take(client));
            }
            let (reason, error) = match attempt {
                Ok(stored) => return Ok(stored),
                Err(Failed::Database(error)) if is_partition_missing(&error) => {
                    // A partition that this process knew is gone, for example dropped by retention. Forget
                    // the known partitions, and make them again.
                    vanished += 1;
                    if vanished > VANISHED {
                        return Err(Error::Unavailable(error.into()));
                    }
                    self.forget();
                    ("a partition is gone", Some(error))
                }
                Err(Failed::Database(error)) if Failure::of(&error) != Failure::Conflict => return Err(failed(error)),
                Err(Failed::Database(error)) => {
                    doubts.readings = true;
                    ("another writer was first", Some(error))
                }
                Err(Failed::Again) => {
                    doubts.readings = true;
                    ("a message came again", None)
                }
                Err(Failed::Watched) => ("a subscription began to watch", None),
                Err(Failed::Elsewhere) => {
                    tracing::warn!(
                        "the database has other series than it had before, as after a failover or a restore; looking up all of them again"
                    );
                    self.forget();
                    doubts.series = true;
                    ("the database is another", None)
                }
            };
            if !tries.again(reason).await {
                return Err(Error::Unavailable(match error {
                    Some(error) => error.into(),
                    None => reason.into(),
                }));
            }
        }
    }

    async fn client(&self) -> Result<Object, Error> {
        let client = self
            .pool
            .get()
            .await
            .map_err(|error| Error::Unavailable(error.into()))?;
        if Object::metrics(&client).recycle_count == 0 {
            // A new connection may lead to another database: one restored from a backup, or a replica that
            // took over while behind. What was known may not hold there.
            self.forget();
        }
        Ok(client)
    }

    fn forget(&self) {
        lock(&self.known).forget();
        lock(&self.months).clear();
        lock(&self.receipts).clear();
        lock(&self.lines).clear();
        if let Some(changes) = &self.changes {
            changes.forget();
        }
    }

    async fn prepare_receipts(&self, client: &mut Client, messages: &[Message]) -> Result<(), Error> {
        receipts::prepare(
            client,
            partition::RECEIPTS,
            &self.receipts,
            receipts::days(messages.iter()),
        )
        .await
    }

    /// Returns the series of these names, in their order. Looks up unknown ones, and makes missing ones. If
    /// `doubted`, looks up all of them.
    async fn prepare_series(
        &self,
        client: &Client,
        names: &[NameRef<'_>],
        doubted: bool,
    ) -> Result<Vec<Series>, Failed> {
        let mut found: Vec<Option<Series>> = if doubted {
            vec![None; names.len()]
        } else {
            let mut known = lock(&self.known);
            names.iter().map(|name| known.get(*name)).collect()
        };
        let (at, missing): (Vec<usize>, Vec<NameRef<'_>>) = (0..names.len())
            .filter(|at| found[*at].is_none())
            .map(|at| (at, names[at]))
            .unzip();
        if !missing.is_empty() {
            let made = series::find_or_make(client, &missing).await?.ok_or(Failed::Elsewhere)?;
            let mut known = lock(&self.known);
            for ((at, name), series) in at.into_iter().zip(missing).zip(made) {
                known.learn(name, series);
                found[at] = Some(series);
            }
        }
        found.into_iter().collect::<Option<_>>().ok_or(Failed::Elsewhere)
    }

    async fn prepare_months(&self, client: &Client, months: &[Month<'_>]) -> Result<(), tokio_postgres::Error> {
        for month in months {
            let key = (month.year, month.month);
            if !lock(&self.months).contains(&key) {
                partition::make(client, month.year, month.month).await?;
                lock(&self.months).insert(key);
            }
        }
        Ok(())
    }

    /// Tries once.
    async fn attempt(
        &self,
        client: &mut ClientWrapper,
        messages: &[Message],
        changes: Option<&Changes>,
        doubts: Doubts,
    ) -> Result<Stored, Failed> {
        let careful = doubts.readings;
        let messages: Vec<&Message> = if careful && !self.history {
            receipts::unknown(client, messages).await?
        } else if self.history {
            receipts::once(messages)
        } else {
            messages.iter().collect()
        };
        let mut batch = Batch::default();
        for message in &messages {
            batch.add(message);
        }
        let series = self.prepare_series(client, batch.names(), doubts.series).await?;
        let ids: Vec<i32> = series.iter().map(|series| series.id).collect();
        let sorted = batch.sorted(ids);
        let months = sorted.months();
        self.prepare_months(client, &months).await?;
        let change_at = match changes {
            Some(changes) => changes.prepare(client).await?,
            None => None,
        };
        let mut outcome = Stored {
            persisted: 0,
            duplicates: sorted.duplicates,
            conflicts: sorted.conflicts,
        };
        // Which upload brought a stored reading matters only between uploads, or where some receipts of an
        // upload stay as they are.
        let is_told_apart = self.history || !receipts::is_of_one_upload(&messages);
        let mut there = is_told_apart.then(HashMap::new);
        // By number of the series.
        let mut latest: Vec<Option<Point>> = vec![None; series.len()];
        let mut days = Days::default();
        let mut spans = Spans::default();
        let transaction = client.transaction().await?;
        lock_months(&transaction, &months).await?;
        for month in &months {
            let is_late = |part: &Part<'_>| {
                let latest = series[sorted.number_of(part.series)].latest;
                careful || latest.is_some_and(|latest| latest >= part.points[0].timestamp)
            };
            let table = partition::name(month.year, month.month);
            let fresh = existing::fresh(&transaction, &table, &month.parts, is_late, &mut outcome, &mut there).await?;
            let parts = fresh.iter().map(|(series, points)| Part {
                series: *series,
                points,
            });
            let parts: Vec<Part<'_>> = parts.filter(|part| !part.points.is_empty()).collect();
            if parts.is_empty() {
                continue;
            }
            copy::copy_in(&transaction, &table, &parts).await?;
            for part in &parts {
                outcome.persisted += part.points.len() as u64;
                latest[sorted.number_of(part.series)] = part.points.last().copied();
                days.note(sorted.names()[sorted.number_of(part.series)].device, part.points);
                if changes.is_some() {
                    spans.add(part);
                }
            }
        }
        let receipts = receipts::of_stored(&messages, outcome, &sorted, there.as_ref());
        let counted = match (self.history, careful) {
            (true, _) => OnExisting::ReplaceFailed,
            (false, true) => OnExisting::ReplaceFailedOrRetry,
            (false, false) => OnExisting::Fail,
        };
        if !receipts::write(&transaction, &receipts, counted).await? {
            return Err(Failed::Again);
        }
        let mut moved = Vec::new();
        let (mut moving, mut staying) = (Vec::new(), Vec::new());
        for number in sorted.numbers() {
            let taken = Taken {
                name: sorted.names()[number],
                series: series[number],
            };
            match latest[number] {
                Some(point) if series[number].latest.is_none_or(|latest| latest < point.timestamp) => {
                    moved.push((taken.series.id, point));
                    moving.push(taken);
                }
                _ => staying.push(taken),
            }
        }
        let is_here =
            series::check(&transaction, &staying, false).await? && series::check(&transaction, &moving, true).await?;
        if !is_here {
            return Err(Failed::Elsewhere);
        }
        series::move_latest(&transaction, &moved).await?;
        let version = days.count(&transaction).await?;
        if let (Some(changes), Some(version)) = (changes, version)
            && !changes.write(&transaction, version, &sorted, spans, change_at).await?
        {
            return Err(Failed::Watched);
        }
        transaction.commit().await?;
        if let Some(committed) = &self.committed {
            committed.notify_one();
        }
        let mut known = lock(&self.known);
        for (Taken { name, series }, (_, point)) in moving.iter().zip(moved) {
            known.learn(
                *name,
                Series {
                    latest: Some(point.timestamp),
                    ..*series
                },
            );
        }
        Ok(outcome)
    }
}

/// Assumptions of the next try.
#[derive(Clone, Copy, Debug, Default)]
struct Doubts {
    /// Readings newer than their series' latest are new, and no message was stored before.
    readings: bool,
    /// Remembered series are right.
    series: bool,
}

/// Why an attempt failed.
enum Failed {
    Database(tokio_postgres::Error),
    /// A message turned out to be stored before.
    Again,
    /// Remembered series do not match this database.
    Elsewhere,
    /// A change needs a partition that was not prepared.
    Watched,
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// Takes the locks of the COPYs, in order, before anything is read. From here on, partitions cannot be
/// dropped. If one was dropped, this statement fails, which harms the connection less than a COPY does.
async fn lock_months(transaction: &Transaction<'_>, months: &[Month<'_>]) -> Result<(), tokio_postgres::Error> {
    if months.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = months
        .iter()
        .map(|month| partition::name(month.year, month.month))
        .collect();
    let lock = format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", names.join(", "));
    transaction.batch_execute(&lock).await
}

/// Whether a partition that this process knew is gone: its name, or the place of a row in its parent. A constraint
/// that refuses a row has a name.
fn is_partition_missing(error: &tokio_postgres::Error) -> bool {
    let Some(error) = error.as_db_error() else {
        return false;
    };
    *error.code() == SqlState::UNDEFINED_TABLE
        || (*error.code() == SqlState::CHECK_VIOLATION && error.constraint().is_none())
}

fn failed(error: tokio_postgres::Error) -> Error {
    if error.code() == Some(&SqlState::QUERY_CANCELED) {
        return Error::Slow(error);
    }
    match Failure::of(&error) {
        Failure::Data => Error::Data(error.code().map(|state| state.code().to_owned()).unwrap_or_default()),
        Failure::Conflict | Failure::Unavailable => Error::Unavailable(error.into()),
    }
}
