//! The one transaction that stores readings.
//!
//! In this order, the same in every process, so that no two writers can deadlock: readings by
//! month, series and time; then receipts by upload and message; then latest values by id; then the
//! versions of the days touched. Partitions and series are made before, each in a transaction of
//! its own.
//!
//! Readings go by COPY straight into their month's partition. Identity is the primary key, and
//! COPY fails on the first reading that is there already; so what may be there is looked up first
//! (`there.rs`), but for readings newer than their series' latest. When another writer commits the
//! same identity in between, the transaction fails, is done again with everything looked up, and
//! finds it. So does one that meets the receipt of a message that was stored before: the message is
//! left out then.

mod copy;
pub(super) mod dead;
mod looks;
mod partition;
#[cfg(test)]
mod receipt_tests;
mod receipts;
mod series;
#[cfg(test)]
mod tests;
mod there;

// For the micro-benchmarks as well, which have to call what they measure.
pub use copy::Rows;

use self::receipts::Known;
use super::batch::{Batch, Month, Part};
use super::message::Message;
use super::{Point, time};
use ::postgres::{Failure, Pool};
pub(crate) use copy::Moment;
use deadpool_postgres::{ClientWrapper, Object, Transaction};
use futures_util::SinkExt;
pub(crate) use looks::Look;
pub(crate) use partition::month_of_name as month_of_partition;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// How often messages have their partitions made again before they are left to whoever tries anew.
const VANISHED: usize = 3;

/// Days of receipts that may be written at one time: those that are kept, the one that begins, and
/// one for a clock that is ahead.
const RECEIPT_DAYS: usize = 9;

/// Stores messages of readings.
pub struct Store {
    pool: Pool,
    known: Mutex<series::Known>,
    months: Mutex<HashSet<(i64, i64)>>,
    /// Days (since 1970) that have a partition of receipts.
    receipts: Mutex<BTreeSet<i64>>,
    history: bool,
}

/// What became of messages; the three add up to the readings of those that were not stored before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// New rows.
    pub stored: u64,
    /// Readings that were there already, with the same value.
    pub duplicates: u64,
    /// Readings whose identity was there already, with another value, which stays.
    pub conflicts: u64,
}

/// Why a batch was not stored; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data itself is at fault; the same data will fail again.
    #[error("the database refused the readings (SQLSTATE {0})")]
    Data(String),
    /// It took longer than a statement may: less at once can do.
    #[error("the database took too long to store the readings")]
    Slow(#[source] tokio_postgres::Error),
    /// Not the data's fault; try again, without end.
    #[error("the database cannot store readings now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Store {
    /// A store over this pool.
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            known: Mutex::default(),
            months: Mutex::default(),
            receipts: Mutex::default(),
            history: false,
        }
    }

    /// A store for messages that were stored before, in this database or in another: their
    /// readings are looked up once more, and receipts that are there stay as they are, but for what
    /// failed before.
    pub fn of_history(pool: Pool) -> Self {
        Self {
            history: true,
            ..Self::new(pool)
        }
    }

    /// When the newest upload began that has a receipt, in microseconds since 1970; none without one.
    ///
    /// # Errors
    /// Where the database cannot tell now.
    pub async fn newest_receipt(&self) -> Result<Option<i64>, ::postgres::Error> {
        receipts::newest(&self.pool).await
    }

    /// Keeps a dead letter of this lane where the event bus does not.
    ///
    /// # Errors
    /// Where the database cannot do that now; keep it again.
    pub async fn keep_dead_letter(
        &self,
        letter: &event::Event,
        lane: Option<event::Lane>,
        reason: &str,
    ) -> Result<(), ::postgres::Error> {
        dead::keep(&self.pool, letter, lane, reason).await
    }

    /// Looks at the clock, and tells the moment (in microseconds since 1970) by which ages are judged:
    /// a look a day earlier. None: nothing may be deleted yet.
    ///
    /// # Errors
    /// Where the database cannot do that now.
    pub async fn look_at_clock(&self) -> Result<Option<i64>, ::postgres::Error> {
        Ok(Look::now().remember(&*self.pool.get().await?).await?)
    }

    /// Forgets the dead letters in this database that are older than this moment (in microseconds since
    /// 1970); how many they were.
    ///
    /// # Errors
    /// Where the database cannot do that now.
    pub async fn forget_dead_letters(&self, before: i64) -> Result<u64, ::postgres::Error> {
        dead::forget(&self.pool, before).await
    }

    /// Stores messages: all of them, in one transaction, or nothing. One that was stored before is
    /// left out.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write(&self, messages: &[Message]) -> Result<Stored, Error> {
        let mut careful = false;
        let mut vanished = 0;
        loop {
            // A connection whose statement failed is not used again: a COPY that is refused before
            // it has begun leaves an answer too many on it (tokio-postgres 0.7 sends a second
            // Sync), and a later COMMIT would be taken for done by an earlier answer.
            let mut client = self.client().await?;
            self.prepare_receipts(&mut client, messages).await?;
            let attempt = self.attempt(&mut client, messages, careful).await;
            if attempt.is_err() {
                drop(Object::take(client));
            }
            match attempt {
                Ok(Some(stored)) => return Ok(stored),
                Err(Failed::Database(error)) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                    // A partition is gone that this process knew, as when retention has dropped it:
                    // forget what is known of them, and make them anew.
                    vanished += 1;
                    if vanished > VANISHED {
                        return Err(failed(error));
                    }
                    lock(&self.months).clear();
                    lock(&self.receipts).clear();
                }
                Err(Failed::Database(error)) if Failure::of(&error) != Failure::Conflict => return Err(failed(error)),
                Err(Failed::Forgotten) => {
                    return Err(Error::Unavailable("the memory of series was emptied meanwhile".into()));
                }
                Ok(None) | Err(Failed::Database(_)) => {
                    tracing::debug!("another writer was first, or a message came again; looking up everything");
                    careful = true;
                    // So that two writers do not keep step.
                    let by_chance = std::hash::RandomState::new().hash_one(());
                    tokio::time::sleep(Duration::from_millis(by_chance % 8)).await;
                }
            }
        }
    }

    /// Counts the readings of a message that cannot be stored as failed.
    ///
    /// # Errors
    /// Where the database cannot do that now; do it again.
    pub async fn fail(&self, message: &Message) -> Result<(), Error> {
        let mut client = self.client().await?;
        self.prepare_receipts(&mut client, std::slice::from_ref(message))
            .await?;
        let written = async {
            let transaction = client.transaction().await?;
            receipts::write(&transaction, &receipts::of_failed(message), Known::Keep).await?;
            transaction.commit().await
        };
        written.await.map_err(|error| {
            lock(&self.receipts).clear();
            Error::Unavailable(error.into())
        })
    }

    async fn client(&self) -> Result<Object, Error> {
        let client = self
            .pool
            .get()
            .await
            .map_err(|error| Error::Unavailable(error.into()))?;
        if Object::metrics(&client).recycle_count == 0 {
            // A new connection may lead to another database: one restored from a backup, or a
            // replica that took over before it had everything. What was known may not hold there.
            *lock(&self.known) = series::Known::default();
            lock(&self.months).clear();
            lock(&self.receipts).clear();
        }
        Ok(client)
    }

    async fn prepare_receipts(&self, client: &mut Client, messages: &[Message]) -> Result<(), Error> {
        for day in receipts::days(messages.iter()) {
            if !lock(&self.receipts).contains(&day) {
                // Whatever is wrong with a partition, it is not the readings.
                let made = receipts::make(client, day).await;
                made.map_err(|error| Error::Unavailable(error.into()))?;
                let mut made = lock(&self.receipts);
                made.insert(day);
                // As many as are kept; an older one would only be made once more.
                while made.len() > RECEIPT_DAYS {
                    made.pop_first();
                }
            }
        }
        Ok(())
    }

    async fn prepare_series(&self, client: &Client, batch: &Batch) -> Result<(), tokio_postgres::Error> {
        let missing = lock(&self.known).missing(batch.names());
        if !missing.is_empty() {
            let found = series::find_or_make(client, missing).await?;
            lock(&self.known).learn(found);
        }
        Ok(())
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

    /// One try; nothing where a message was stored before after all. `careful`: nothing is taken for
    /// new that was not looked for.
    async fn attempt(
        &self,
        client: &mut ClientWrapper,
        messages: &[Message],
        careful: bool,
    ) -> Result<Option<Stored>, Failed> {
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
        self.prepare_series(client, &batch).await?;
        let sorted = {
            let known = lock(&self.known);
            // Every name was just learned; only a concurrent batch that overflows the memory of
            // names can have made this one forgotten, and then the messages are tried again.
            if batch.names().any(|name| known.id(name).is_none()) {
                return Err(Failed::Forgotten);
            }
            batch.sorted(|name| known.id(name).unwrap_or_default())
        };
        let months = sorted.months();
        self.prepare_months(client, &months).await?;
        let mut outcome = Stored {
            stored: 0,
            duplicates: sorted.duplicates,
            conflicts: sorted.conflicts,
        };
        // Whose readings were there makes a difference only between uploads, or where some receipts
        // of an upload stay as they are.
        let is_told_apart = self.history || !receipts::is_of_one_upload(&messages);
        let mut there = is_told_apart.then(HashMap::new);
        let mut latest: BTreeMap<i32, Point> = BTreeMap::new();
        let mut days: BTreeSet<i64> = BTreeSet::new();
        let transaction = client.transaction().await?;
        lock_months(&transaction, &months).await?;
        for month in &months {
            let fresh = self
                .fresh(&transaction, month, careful, &mut outcome, &mut there)
                .await?;
            let parts: Vec<Part<'_>> = fresh
                .iter()
                .map(Fresh::part)
                .filter(|part| !part.points.is_empty())
                .collect();
            if parts.is_empty() {
                continue;
            }
            copy_in(&transaction, month, &parts).await?;
            for part in &parts {
                outcome.stored += part.points.len() as u64;
                if let Some(last) = part.points.last() {
                    latest.insert(part.series, *last);
                }
                note_days(part.points, &mut days);
            }
        }
        {
            let known = lock(&self.known);
            latest.retain(|id, point| known.latest(*id).is_none_or(|latest| latest < point.timestamp));
        }
        let receipts = receipts::of_stored(&messages, outcome, &sorted, there.as_ref());
        let counted = match (self.history, careful) {
            (true, _) => Known::Heal,
            (false, true) => Known::Mend,
            (false, false) => Known::Refuse,
        };
        if !receipts::write(&transaction, &receipts, counted).await? {
            return Ok(None);
        }
        move_latest(&transaction, &latest).await?;
        count_days(&transaction, &days).await?;
        transaction.commit().await?;
        let mut known = lock(&self.known);
        for (id, point) in latest {
            known.moved(id, point.timestamp);
        }
        Ok(Some(outcome))
    }

    /// The readings of a month that are not there yet; those that are, are counted, and kept in
    /// `there` where somebody wants to know them.
    async fn fresh<'a>(
        &self,
        transaction: &Transaction<'_>,
        month: &Month<'a>,
        careful: bool,
        outcome: &mut Stored,
        there: &mut Option<HashMap<i32, Vec<Point>>>,
    ) -> Result<Vec<Fresh<'a>>, tokio_postgres::Error> {
        let mut fresh: Vec<Fresh<'a>> = month.parts.iter().map(|part| Fresh::All(*part)).collect();
        let late: Vec<usize> = {
            let known = lock(&self.known);
            let newer = |part: &Part<'_>| {
                known
                    .latest(part.series)
                    .is_none_or(|latest| latest < part.points[0].timestamp)
            };
            (0..month.parts.len())
                .filter(|at| careful || !newer(&month.parts[*at]))
                .collect()
        };
        if late.is_empty() {
            return Ok(fresh);
        }
        let table = partition::name(month.year, month.month);
        let asked: Vec<Part<'a>> = late.iter().map(|at| month.parts[*at]).collect();
        for (at, found) in there::find(transaction, &table, &asked).await? {
            let (part, mut found) = (asked[at], found.into_iter().peekable());
            let mut points = Vec::with_capacity(part.points.len());
            for point in part.points {
                while found.next_if(|there| there.timestamp < point.timestamp).is_some() {}
                let Some(before) = found.next_if(|there| there.timestamp == point.timestamp) else {
                    points.push(*point);
                    continue;
                };
                if before.value == point.value {
                    outcome.duplicates += 1;
                } else {
                    outcome.conflicts += 1;
                }
                if let Some(there) = there {
                    there.entry(part.series).or_default().push(before);
                }
            }
            fresh[late[at]] = Fresh::Some(part.series, points);
        }
        Ok(fresh)
    }
}

/// Why an attempt came to nothing.
enum Failed {
    Database(tokio_postgres::Error),
    /// A name that was just learned is forgotten again.
    Forgotten,
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// What of a part is to be stored.
enum Fresh<'a> {
    All(Part<'a>),
    Some(i32, Vec<Point>),
}

impl Fresh<'_> {
    fn part(&self) -> Part<'_> {
        match self {
            Self::All(part) => *part,
            Self::Some(series, points) => Part {
                series: *series,
                points,
            },
        }
    }
}

/// Takes the locks that COPY takes, in order, before anything is read: from here on the partitions
/// cannot be dropped. Where one has been, this says so, and harms the connection less than a COPY.
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

async fn copy_in(
    transaction: &Transaction<'_>,
    month: &Month<'_>,
    parts: &[Part<'_>],
) -> Result<(), tokio_postgres::Error> {
    let table = partition::name(month.year, month.month);
    let sink = transaction
        .copy_in(&format!("COPY {table} (series_id, timestamp, value) FROM STDIN BINARY"))
        .await?;
    let mut sink = pin!(sink);
    for chunk in Rows::new(parts) {
        sink.feed(chunk).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// Moves the latest values forward, locking the series in order of id first.
async fn move_latest(
    transaction: &Transaction<'_>,
    latest: &BTreeMap<i32, Point>,
) -> Result<(), tokio_postgres::Error> {
    if latest.is_empty() {
        return Ok(());
    }
    let ids: Vec<i32> = latest.keys().copied().collect();
    let moments: Vec<Moment> = latest.values().map(|point| Moment(point.timestamp)).collect();
    let values: Vec<f64> = latest.values().map(|point| point.value).collect();
    let lock = "SELECT FROM series WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";
    let lock = transaction.prepare_cached(lock).await?;
    transaction.execute(&lock, &[&ids]).await?;
    let update = "UPDATE series SET latest_timestamp = new.timestamp, latest_value = new.value
             FROM unnest($1::int4[], $2::timestamptz[], $3::float8[]) AS new (id, timestamp, value)
             WHERE series.id = new.id AND (latest_timestamp IS NULL OR latest_timestamp < new.timestamp)";
    let update = transaction.prepare_cached(update).await?;
    transaction.execute(&update, &[&ids, &moments, &values]).await?;
    Ok(())
}

/// Counts the change of these days (days since 1970), in order.
async fn count_days(transaction: &Transaction<'_>, days: &BTreeSet<i64>) -> Result<(), tokio_postgres::Error> {
    if days.is_empty() {
        return Ok(());
    }
    let days: Vec<i32> = days.iter().map(|day| i32::try_from(*day).unwrap_or(i32::MAX)).collect();
    let count = "INSERT INTO day (day, version) SELECT date '1970-01-01' + number, 1 FROM unnest($1::int4[]) AS number ORDER BY number
             ON CONFLICT (day) DO UPDATE SET version = day.version + 1";
    let count = transaction.prepare_cached(count).await?;
    transaction.execute(&count, &[&days]).await?;
    Ok(())
}

/// Adds the days (since 1970) that these readings, in order of time, lie in.
fn note_days(mut points: &[Point], days: &mut BTreeSet<i64>) {
    while let Some(first) = points.first() {
        let day = first.timestamp.div_euclid(time::DAY);
        days.insert(day);
        let inside = points.partition_point(|point| point.timestamp < (day + 1) * time::DAY);
        points = &points[inside..];
    }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
