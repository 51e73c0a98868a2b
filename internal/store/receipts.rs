//! Receipts of uploads, written in the transaction that stores their readings.
//!
//! Each (upload, message) has a row. A message that comes again is found by its row and not counted twice.
//! Rows go straight into the partition of the upload's day.

use super::counts::Stored;
use super::error;
use super::lock::lock;
use super::looks::Look;
use super::partition;
use crate::batch::Sorted;
use ::postgres::Pool;
use deadpool_postgres::{ClientWrapper, Transaction};
use reading::NameRef;
use reading::message::{Message, Share};
use reading::{KEPT_RECEIPTS, Point, has_receipt, time, uploaded};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// Most days with receipts: the kept ones, the one that begins, and one for a clock that is ahead.
const DAYS: usize = 9;

/// How long dropping a day's partition waits for its lock; else the next drop tries again.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Outcome of a message for one upload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    message: Uuid,
    share: Share,
    stored: Stored,
    failed: u64,
}

/// What a receipt's row does to an existing row of the same message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnExisting {
    /// Fails the statement.
    Fail,
    /// Keeps the existing row.
    Keep,
    /// Replaces a row that counts failed readings; keeps every other row.
    ReplaceFailed,
    /// Replaces a row that counts failed readings. Of every other row, [`write`] says that the message was
    /// stored before, unless neither row counts readings.
    ReplaceFailedOrRetry,
}

/// The day (since 1970) of an upload whose receipt is kept; none if it is too old, or its id tells no time.
pub(super) fn day(upload: Uuid) -> Option<i64> {
    let (at, now) = (uploaded(upload)?, time::now());
    has_receipt(at, now).then(|| at.div_euclid(time::DAY))
}

/// The days whose partitions take these messages' receipts.
pub(super) fn days<'a>(messages: impl Iterator<Item = &'a Message>) -> BTreeSet<i64> {
    let shares = messages.flat_map(|message| &message.shares);
    shares.filter_map(|share| day(share.upload)).collect()
}

/// Makes the partitions of table `parent` for these days, except those in `made`.
///
/// # Errors
/// [`error::Error::Unavailable`]: a fault of a partition is not the data's fault.
pub(super) async fn prepare(
    client: &mut Client,
    parent: &str,
    made: &Mutex<BTreeSet<i64>>,
    days: BTreeSet<i64>,
) -> Result<(), error::Error> {
    for day in days {
        if lock(made).contains(&day) {
            continue;
        }
        make(client, parent, day)
            .await
            .map_err(|error| error::Error::Unavailable(error.into()))?;
        let mut made = lock(made);
        made.insert(day);
        // The number of days kept; a forgotten older day would only be made again.
        while made.len() > DAYS {
            made.pop_first();
        }
    }
    Ok(())
}

/// How long the query for the newest receipt may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// When the newest upload with a receipt began, in microseconds since 1970; none without one.
///
/// # Errors
/// Where the database cannot tell within ten seconds.
pub async fn newest(pool: &Pool) -> Result<Option<i64>, ::postgres::Error> {
    let newest = "SELECT upload FROM receipt ORDER BY upload DESC LIMIT 1";
    let client = pool.get().await?;
    let found = match timeout(TIMEOUT, client.query_opt(newest, &[])).await {
        Ok(found) => found?,
        Err(elapsed) => {
            // If the pool got it back now, the running statement would delay the next query.
            pool.reclaim(client).await;
            return Err(::postgres::Error::Unavailable(elapsed.into()));
        }
    };
    Ok(found.map(|row| row.try_get(0)).transpose()?.and_then(uploaded))
}

/// Makes the partition of table `parent` for a day's uploads, and drops old ones: see `looks.rs`.
async fn make(client: &mut Client, parent: &str, day: i64) -> Result<(), Error> {
    let first = |day: i64| Uuid::from_u128(u128::from((day * time::DAY / 1000).unsigned_abs()) << 80).to_string();
    if partition::attach(
        client,
        parent,
        &partition::name_of_day(parent, day),
        &first(day),
        &first(day + 1),
    )
    .await?
        && let Err(error) = drop_old(client, Look::now()).await
    {
        tracing::warn!(%error, "could not drop old receipts; trying again with the next day's");
    }
    Ok(())
}

/// Drops the partitions that are too old as of a look a day before this one.
pub(super) async fn drop_old(client: &mut Client, look: Look) -> Result<(), Error> {
    let Some(confirmed) = look.remember(client).await? else {
        return Ok(());
    };
    for parent in [partition::RECEIPTS, partition::LINES] {
        let last = partition::name_of_day(parent, (confirmed - KEPT_RECEIPTS).div_euclid(time::DAY) - 1);
        let old = "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                   WHERE inhparent = $1::text::regclass AND relname <= $2 ORDER BY relname";
        for row in client.query(old, &[&parent, &last]).await? {
            let name: String = row.try_get(0)?;
            let _timer = ::postgres::Timer::of("drop_receipts");
            let transaction = client.transaction().await?;
            let milliseconds = LOCK_TIMEOUT.as_millis();
            transaction
                .batch_execute(&format!("SET LOCAL lock_timeout = {milliseconds}"))
                .await?;
            transaction
                .execute("SELECT drop_partition($1::text::regclass, $2)", &[&parent, &name])
                .await?;
            transaction.commit().await?;
            tracing::info!(partition = name, "dropped receipts past their age");
        }
    }
    Ok(())
}

/// Returns the messages that were not stored before.
pub(super) async fn unknown<'a>(client: &ClientWrapper, messages: &'a [Message]) -> Result<Vec<&'a Message>, Error> {
    let mut shares: BTreeMap<i64, (Vec<Uuid>, Vec<Uuid>)> = BTreeMap::new();
    for message in messages {
        for share in &message.shares {
            if let Some(day) = day(share.upload) {
                let (uploads, ids) = shares.entry(day).or_default();
                uploads.push(share.upload);
                ids.push(message.id);
            }
        }
    }
    // A message none of whose rows failed was stored. If some rows failed, the others are of uploads that it
    // brought no readings of.
    let (mut known, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for (day, (uploads, ids)) in shares {
        let table = partition::name_of_day(partition::RECEIPTS, day);
        let statement = format!(
            "SELECT message, failed > 0 FROM {table} JOIN unnest($1::uuid[], $2::uuid[]) AS asked (upload, message)
                 USING (upload, message)"
        );
        for row in client.query(&statement, &[&uploads, &ids]).await? {
            let message: Uuid = row.try_get(0)?;
            if row.try_get(1)? {
                failed.insert(message);
            } else {
                known.insert(message);
            }
        }
    }
    known.retain(|message| !failed.contains(message));
    let mut left = once(messages);
    left.retain(|message| !known.contains(&message.id));
    Ok(left)
}

/// Leaves out repeated messages, so that each counts once.
pub(super) fn once(messages: &[Message]) -> Vec<&Message> {
    let mut seen = BTreeSet::new();
    messages.iter().filter(|message| seen.insert(message.id)).collect()
}

/// Writes these receipts; false if a message of them turned out to be stored before.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    receipts: &[Receipt],
    on_existing: OnExisting,
) -> Result<bool, Error> {
    let mut by_day: BTreeMap<i64, Vec<&Receipt>> = BTreeMap::new();
    for receipt in receipts {
        if let Some(day) = day(receipt.share.upload) {
            by_day.entry(day).or_default().push(receipt);
        }
    }
    for (day, mut rows) in by_day {
        // The same order in all writers, so that they cannot deadlock.
        rows.sort_unstable_by_key(|row| (row.share.upload, row.message));
        let int = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
        let bigint = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let totals = |row: &&Receipt| row.share.totals;
        let uploads: Vec<Uuid> = rows.iter().map(|row| row.share.upload).collect();
        let messages: Vec<Uuid> = rows.iter().map(|row| row.message).collect();
        let persisted: Vec<i32> = rows.iter().map(|row| int(row.stored.persisted)).collect();
        let duplicates: Vec<i32> = rows.iter().map(|row| int(row.stored.duplicates)).collect();
        let conflicts: Vec<i32> = rows.iter().map(|row| int(row.stored.conflicts)).collect();
        let failed: Vec<i32> = rows.iter().map(|row| int(row.failed)).collect();
        let accepted: Vec<Option<i64>> = rows
            .iter()
            .map(|row| totals(row).map(|totals| bigint(totals.accepted)))
            .collect();
        let rejected: Vec<Option<i64>> = rows
            .iter()
            .map(|row| totals(row).map(|totals| bigint(totals.rejected)))
            .collect();
        let on_conflict = match on_existing {
            OnExisting::Fail => "",
            OnExisting::Keep => "ON CONFLICT DO NOTHING",
            OnExisting::ReplaceFailed => {
                "ON CONFLICT (upload, message) DO UPDATE SET persisted = excluded.persisted,
                     duplicates = excluded.duplicates, conflicts = excluded.conflicts, failed = 0, xid = excluded.xid
                 WHERE existing.failed > 0"
            }
            OnExisting::ReplaceFailedOrRetry => {
                "ON CONFLICT (upload, message) DO UPDATE SET persisted = excluded.persisted,
                     duplicates = excluded.duplicates, conflicts = excluded.conflicts, failed = 0, xid = excluded.xid
                 WHERE existing.failed > 0
                     -- Of an upload that the message brings no readings of: the same once more.
                     OR existing.persisted + existing.duplicates + existing.conflicts = 0
                        AND excluded.persisted + excluded.duplicates + excluded.conflicts = 0"
            }
        };
        let table = partition::name_of_day(partition::RECEIPTS, day);
        let statement = format!(
            "INSERT INTO {table} AS existing (upload, message, persisted, duplicates, conflicts, failed, accepted, rejected)
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
             {on_conflict}"
        );
        // Not prepared: its text names a day, and each day's statement would stay as long as the connection.
        let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
            (&uploads, Type::UUID_ARRAY),
            (&messages, Type::UUID_ARRAY),
            (&persisted, Type::INT4_ARRAY),
            (&duplicates, Type::INT4_ARRAY),
            (&conflicts, Type::INT4_ARRAY),
            (&failed, Type::INT4_ARRAY),
            (&accepted, Type::INT8_ARRAY),
            (&rejected, Type::INT8_ARRAY),
        ];
        let written = transaction.execute_typed(&statement, &parameters).await?;
        if on_existing == OnExisting::ReplaceFailedOrRetry && written != rows.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The receipts of messages that the database refused.
pub(super) fn of_failed(message: &Message) -> Vec<Receipt> {
    let receipt = |share: &Share| Receipt {
        message: message.id,
        share: *share,
        stored: Stored::default(),
        failed: share.readings,
    };
    message.shares.iter().map(receipt).collect()
}

/// The receipts of messages that one transaction stores. `there` holds, in order of time, the batch's
/// readings that the database held before. It is none if all rows are written and are of one upload: then it
/// does not matter which message brought a reading.
pub(super) fn of_stored(
    messages: &[&Message],
    outcome: Stored,
    sorted: &Sorted<'_>,
    there: Option<&HashMap<i32, Vec<Point>>>,
) -> Vec<Receipt> {
    let mut receipts: Vec<Receipt> = Vec::with_capacity(messages.iter().map(|message| message.shares.len()).sum());
    let receipt = |message: &Message, share: &Share, stored| Receipt {
        message: message.id,
        share: *share,
        stored,
        failed: 0,
    };
    if outcome.conflicts == 0 && (outcome.duplicates == 0 || outcome.persisted == 0) {
        // Nearly always all readings are new, or all are stored already.
        for message in messages {
            for share in &message.shares {
                let stored = if outcome.duplicates == 0 {
                    Stored {
                        persisted: share.readings,
                        ..Stored::default()
                    }
                } else {
                    Stored {
                        duplicates: share.readings,
                        ..Stored::default()
                    }
                };
                receipts.push(receipt(message, share, stored));
            }
        }
        return receipts;
    }
    let Some(there) = there else {
        let mut stored = Some(outcome);
        for message in messages {
            for share in &message.shares {
                receipts.push(receipt(message, share, stored.take().unwrap_or_default()));
            }
        }
        return receipts;
    };
    // Each reading is stored before, the first of its identity in the batch, or a later one.
    let mut claimed: HashMap<i32, Vec<bool>> = HashMap::new();
    for message in messages {
        let mut stored: BTreeMap<Uuid, Stored> = BTreeMap::new();
        message.each(|upload, series| {
            let name = NameRef {
                device: series.device,
                sensor: series.sensor,
            };
            let Some(id) = sorted.id(name) else { return };
            let points = sorted.points(id);
            let before = there.get(&id).map_or(&[][..], Vec::as_slice);
            let claimed = claimed.entry(id).or_insert_with(|| vec![false; points.len()]);
            let stored = stored.entry(upload).or_default();
            for point in series.points {
                let at = |points: &[Point]| {
                    points
                        .binary_search_by_key(&point.timestamp, |other| other.timestamp)
                        .ok()
                };
                let kept = match (at(before), at(points)) {
                    (Some(at), _) => before[at].value,
                    (None, Some(at)) if !std::mem::replace(&mut claimed[at], true) => {
                        stored.persisted += 1;
                        continue;
                    }
                    (None, Some(at)) => points[at].value,
                    (None, None) => continue,
                };
                if kept == point.value {
                    stored.duplicates += 1;
                } else {
                    stored.conflicts += 1;
                }
            }
        });
        for share in &message.shares {
            receipts.push(receipt(
                message,
                share,
                stored.remove(&share.upload).unwrap_or_default(),
            ));
        }
    }
    receipts
}

/// Whether all readings of these messages are of one upload.
pub(super) fn is_of_one_upload(messages: &[&Message]) -> bool {
    let mut uploads = messages
        .iter()
        .flat_map(|message| &message.shares)
        .map(|share| share.upload);
    let first = uploads.next();
    uploads.all(|upload| Some(upload) == first)
}
