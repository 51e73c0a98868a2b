//! Writes what became of tries.

use super::database::Database;
use super::queue::Place;
use ::postgres::{Error, Timer};
use jiff::Timestamp;
use reading::time::DAY;
use std::collections::BTreeSet;
use tokio::time::Instant;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A row of `attempt`.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) subscription: Uuid,
    pub(super) place: Place,
    pub(super) number: i64,
    pub(super) attempt: i32,
    /// Microseconds since 1970.
    pub(super) at: i64,
    pub(super) ms: i32,
    pub(super) status: Option<i32>,
    pub(super) error: Option<String>,
    pub(super) body: Option<String>,
    pub(super) outcome: &'static str,
    /// When the next try is due.
    pub(super) due: Option<Due>,
    /// The feed that it belongs to; see [`super::feed::Feed::epoch`].
    pub(super) epoch: u64,
}

/// One moment by two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) at: i64,
    pub(super) instant: Instant,
}

impl Row {
    /// Leaves out what an endpoint or a message has said, so that a database of any encoding can store it.
    pub(super) fn simplify(&mut self) {
        self.body = None;
        if let Some(error) = &mut self.error {
            error.retain(|c| c.is_ascii());
        }
    }
}

const INSERT: &str = "
    INSERT INTO attempt (subscription, lane, seq, number, try, at, ms, status, error, body, outcome, due)
    SELECT * FROM unnest($1::uuid[], $2::int2[], $3::int8[], $4::int8[], $5::int4[], $6::timestamptz[], $7::int4[],
                         $8::int4[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])";

/// Inserts rows in one statement. Makes the partitions that are not in `made` (days since 1970).
pub(super) async fn insert(database: &Database, made: &mut BTreeSet<i64>, rows: &[Row]) -> Result<(), Error> {
    let days: BTreeSet<i64> = rows.iter().map(|row| row.at.div_euclid(DAY)).collect();
    for day in days {
        // Tomorrow's too, so that midnight waits for nothing.
        for day in [day, day + 1] {
            if !made.contains(&day) {
                database.make_partition("attempt", day * DAY).await?;
                made.insert(day);
            }
        }
    }
    let _timer = Timer::of("record_attempts");
    let inserted = execute(database, rows).await;
    if inserted.is_err() {
        // A partition may have been dropped.
        made.clear();
    }
    inserted
}

async fn execute(database: &Database, rows: &[Row]) -> Result<(), Error> {
    fn column<'a, T>(rows: &'a [Row], of: impl Fn(&'a Row) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    let subscriptions = column(rows, |row| row.subscription);
    let (lanes, seqs) = (column(rows, |row| row.place.0), column(rows, |row| row.place.1));
    let (numbers, tries) = (column(rows, |row| row.number), column(rows, |row| row.attempt));
    let ats = column(rows, |row| timestamp(row.at));
    let (ms, statuses) = (column(rows, |row| row.ms), column(rows, |row| row.status));
    let (errors, bodies) = (
        column(rows, |row| row.error.as_deref()),
        column(rows, |row| row.body.as_deref()),
    );
    let outcomes = column(rows, |row| row.outcome);
    let dues = column(rows, |row| row.due.map(|due| timestamp(due.at)));
    database
        .query(
            INSERT,
            &[
                (&subscriptions, Type::UUID_ARRAY),
                (&lanes, Type::INT2_ARRAY),
                (&seqs, Type::INT8_ARRAY),
                (&numbers, Type::INT8_ARRAY),
                (&tries, Type::INT4_ARRAY),
                (&ats, Type::TIMESTAMPTZ_ARRAY),
                (&ms, Type::INT4_ARRAY),
                (&statuses, Type::INT4_ARRAY),
                (&errors, Type::TEXT_ARRAY),
                (&bodies, Type::TEXT_ARRAY),
                (&outcomes, Type::TEXT_ARRAY),
                (&dues, Type::TIMESTAMPTZ_ARRAY),
            ],
        )
        .await
        .map(drop)
}

/// An instant as PostgreSQL takes it. Ours are within a day of now.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}
