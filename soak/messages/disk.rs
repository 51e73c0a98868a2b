//! The size of the messages on the disk, beside the size that the live ones need.
//!
//! What the live ones need is their number by the model, times the bytes of a message. That is measured once, in a table
//! of the same shape that holds nothing else. An epoch is open for a seventh of the retention and goes as a whole, so the
//! disk holds a seventh more than what is live, while messages come evenly. Up to 1.3 there is room for epochs that
//! took messages longer because of a fault, for pages that are not full, and for what broken puts leave.
//!
//! An epoch that has become due is left aside as long as a server cannot have removed it: for the time between two looks
//! of a server, and while a fault is under way.

use super::calm::Calm;
use super::clock::{EPOCH, RETENTION, SECOND, now};
use super::event::{Name, SOURCE};
use super::shared::Shared;
use super::wrong::Kind;
use crate::journal::Journal;
use crate::reference::connect;
use anyhow::Context;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

/// Between two looks, and how long one may take: PostgreSQL is down at times.
const PAUSE: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(5);

/// What the disk may hold, in hundredths of what is live.
const MOST: i64 = 130;

/// How long servers may take to remove an epoch that is due: a second between two looks, two tries of half a second, and
/// as much for the next look if a reader was in the way.
const GRACE: i64 = 4 * SECOND;

/// How long an epoch may stay because of faults that follow each other.
const LONGEST_GRACE: i64 = RETENTION / 2;

/// Live messages, in hundredths of the highest number so far, below which a look is not judged: writers were held up so
/// long that an epoch from before weighs too much.
const ENOUGH: i64 = 75;

/// Messages by which the bytes of a message are measured: about those of an epoch.
const MEASURED: u32 = 10_000;

/// Messages in an `INSERT` of these.
const BATCH: usize = 100;

/// Bytes of a table of messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    bytes: i64,
    messages: i64,
}

impl Measure {
    /// Fills a table of the same shape, measures and drops it.
    pub(super) async fn take(client: &Client, seed: u64) -> anyhow::Result<Self> {
        client
            .batch_execute("CREATE SCHEMA soak; CREATE TABLE soak.message (LIKE message INCLUDING ALL)")
            .await?;
        let insert = "INSERT INTO soak.message (epoch, id, source, received, event)
            SELECT 1, id, $3::text, clock_timestamp(), event FROM unnest($1::text[], $2::bytea[]) AS new (id, event)";
        let insert = client.prepare(insert).await?;
        // Ids as long as those of the writers.
        let numbers: Vec<u32> = (MEASURED..2 * MEASURED).collect();
        for numbers in numbers.chunks(BATCH) {
            let names = numbers.iter().map(|number| Name {
                writer: 9,
                number: *number,
            });
            let mut rows: Vec<(String, Vec<u8>)> = names
                .map(|name| (name.id(seed), name.event(seed, 0).to_vec()))
                .collect();
            // In the order in which the servers store a batch.
            rows.sort_unstable();
            let (ids, events): (Vec<String>, Vec<Vec<u8>>) = rows.into_iter().unzip();
            let parameters: [&(dyn ToSql + Sync); 3] = [&ids, &events, &SOURCE];
            client.execute(&insert, &parameters).await?;
        }
        let size = "SELECT pg_total_relation_size('soak.message')";
        let bytes: i64 = client.query_one(size, &[]).await?.try_get(0)?;
        client.batch_execute("DROP SCHEMA soak CASCADE").await?;
        Ok(Self {
            bytes,
            messages: i64::from(MEASURED),
        })
    }

    /// Bytes of a message, on average.
    pub(super) fn of_one(self) -> i64 {
        self.bytes / self.messages
    }

    /// Bytes that so many messages need.
    fn of(self, messages: i64) -> i64 {
        messages.saturating_mul(self.bytes) / self.messages
    }
}

/// What the looks have shown.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) looks: AtomicU64,
    /// Looks whose size was compared.
    pub(super) judged: AtomicU64,
    /// The largest size, in hundredths of what was live, and in bytes.
    pub(super) worst: AtomicI64,
    pub(super) most: AtomicI64,
}

/// An epoch on the disk.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    bytes: i64,
    /// When its last message is past its time; none while it is open.
    due: Option<i64>,
}

/// Looks at the disk from the first put until no more is put.
pub(super) async fn watch(
    shared: Arc<Shared>,
    calm: Arc<Calm>,
    disk: Arc<Disk>,
    journal: Arc<Journal>,
    url: String,
    measure: Measure,
) {
    let begun = now();
    let mut highest = 0;
    loop {
        sleep(PAUSE).await;
        let Ok(Ok((at, epochs))) = timeout(TIMEOUT, look(&url, &shared)).await else {
            continue;
        };
        // From here on, what is live becomes less.
        if shared.written.load(Ordering::Relaxed) {
            return;
        }
        let live = shared.model.live(at);
        highest = highest.max(live);
        let all: i64 = epochs.iter().map(|epoch| epoch.bytes).sum();
        let aside = epochs.iter().filter(|epoch| is_left_aside(epoch, at, calm.since()));
        let bytes = all - aside.map(|epoch| epoch.bytes).sum::<i64>();
        disk.looks.fetch_add(1, Ordering::Relaxed);
        disk.most.fetch_max(all, Ordering::Relaxed);
        let needed = measure.of(live).max(1);
        let hundredths = bytes.saturating_mul(100) / needed;
        let text = format!(
            "{} epochs have {all} bytes on the disk, {bytes} without those that have just become due; {live} messages are live and need {needed}",
            epochs.len()
        );
        journal.note(&text);
        // Before, no epoch was due.
        let is_steady = at > begun + RETENTION + EPOCH + GRACE && live * 100 >= highest * ENOUGH;
        if !is_steady {
            continue;
        }
        disk.judged.fetch_add(1, Ordering::Relaxed);
        disk.worst.fetch_max(hundredths, Ordering::Relaxed);
        if hundredths > MOST {
            shared.wrong.add(Kind::Disk, text);
        }
    }
}

/// Whether the servers may still have this epoch, although its last message is past its time.
fn is_left_aside(epoch: &Epoch, at: i64, calm_since: Option<i64>) -> bool {
    let Some(due) = epoch.due.filter(|due| *due <= at) else {
        return false;
    };
    let is_held_up = calm_since.is_none_or(|since| at - since < GRACE);
    at - due < GRACE || (is_held_up && at - due < LONGEST_GRACE)
}

/// The epochs, and the time. Checks that PostgreSQL's clock is the clients'.
async fn look(url: &str, shared: &Shared) -> anyhow::Result<(i64, Vec<Epoch>)> {
    let client = connect(url).await?;
    let before = now();
    let clock: Timestamp = client.query_one("SELECT clock_timestamp()", &[]).await?.try_get(0)?;
    let (clock, after) = (clock.as_microsecond(), now());
    if !(before..=after).contains(&clock) {
        let text = format!("PostgreSQL's clock shows {clock}, between {before} and {after} of the clients'");
        shared.wrong.add(Kind::Answer, text);
    }
    let select = "SELECT pg_total_relation_size(inhrelid), closed + retention
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid LEFT JOIN epoch ON relname = 'message_' || number
        WHERE inhparent = 'message'::regclass";
    let rows = client.query(select, &[]).await?;
    let epoch = |row: &tokio_postgres::Row| {
        // None of one that was removed meanwhile.
        let bytes: Option<i64> = row.try_get(0)?;
        let due: Option<Timestamp> = row.try_get(1)?;
        Ok::<_, tokio_postgres::Error>(Epoch {
            bytes: bytes.unwrap_or_default(),
            due: due.map(Timestamp::as_microsecond),
        })
    };
    let epochs: Result<Vec<Epoch>, _> = rows.iter().map(epoch).collect();
    Ok((after, epochs?))
}

/// How many messages, and how many bytes of them, the disk holds.
pub(super) async fn held(client: &Client) -> anyhow::Result<(i64, i64)> {
    let select = "SELECT (SELECT count(*) FROM message), coalesce(sum(pg_total_relation_size(inhrelid)), 0)::int8
        FROM pg_inherits WHERE inhparent = 'message'::regclass";
    let row = client.query_one(select, &[]).await.context("look at the disk")?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_left_aside_while_servers_cannot_have_removed_them() {
        let at = 1_000 * SECOND;
        for (due, calm_since, expected) in [
            (None, Some(0), false),
            (Some(at + 1), Some(0), false),
            (Some(at - GRACE + 1), Some(0), true),
            (Some(at - GRACE), Some(0), false),
            // A fault is under way, or has just ended.
            (Some(at - GRACE), None, true),
            (Some(at - GRACE), Some(at - SECOND), true),
            (Some(at - LONGEST_GRACE), None, false),
        ] {
            let epoch = Epoch { bytes: 1, due };
            assert_eq!(
                is_left_aside(&epoch, at, calm_since),
                expected,
                "{due:?} {calm_since:?}"
            );
        }
    }

    #[test]
    fn the_size_of_messages_is_in_proportion() {
        let measure = Measure {
            bytes: 5_000,
            messages: 10,
        };
        assert_eq!((measure.of_one(), measure.of(3), measure.of(0)), (500, 1_500, 0));
    }
}
