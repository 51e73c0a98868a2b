//! Partitions, made on demand: of `reading` by month, of receipts and invalid lines by day.

use crate::batch::span_of;
use reading::time;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

/// Tables with a partition for the uploads of each day.
pub(super) const RECEIPTS: &str = "receipt";
pub(super) const LINES: &str = "receipt_line";

/// How long a drop waits for its lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// The name of the partition of table `parent` for a day (since 1970).
#[must_use]
pub fn name_of_day(parent: &str, day: i64) -> String {
    let (year, month, day) = time::civil_from_days(day);
    format!("{parent}_{year:04}_{month:02}_{day:02}")
}

/// The name of a month's partition.
pub(super) fn name(year: i64, month: i64) -> String {
    format!("reading_{year:04}_{month:02}")
}

/// The year and month of a partition's name; none for another kind of name.
pub fn month_of_name(name: &str) -> Option<(i64, i64)> {
    let (year, month) = name.strip_prefix("reading_")?.split_once('_')?;
    let (year, month) = (year.parse().ok()?, month.parse().ok()?);
    let exists = (1..=9999).contains(&year) && (1..=12).contains(&month);
    (exists && self::name(year, month) == name).then_some((year, month))
}

/// Makes the partition of this month if it is missing.
pub(super) async fn make(client: &Client, year: i64, month: i64) -> Result<(), Error> {
    let span = span_of((year, month));
    let (from, to) = (literal(span.start), literal(span.end));
    attach(client, "reading", &name(year, month), &from, &to).await?;
    Ok(())
}

/// Makes this partition of `parent` if it is missing, in a committed transaction of its own. Returns whether
/// it was missing.
///
/// Calls a function that runs as the tables' owner (`migrations/V4__partitions.sql`): the role that writes
/// readings need not be able to change or drop partitions.
///
/// # Errors
/// Where the database refuses it, or does not answer.
pub async fn attach(client: &Client, parent: &str, name: &str, from: &str, to: &str) -> Result<bool, Error> {
    let _timer = ::postgres::Timer::of("make_partition");
    let made = client
        .query_one(
            "SELECT make_partition($1::text::regclass, $2, $3, $4)",
            &[&parent, &name, &from, &to],
        )
        .await?;
    let made = made.try_get(0)?;
    if made {
        tracing::info!(partition = name, "made a partition");
    }
    Ok(made)
}

/// Makes the partition of `parent` for the UTC day of this instant (microseconds since 1970), unless it is there.
///
/// # Errors
/// As [`attach`].
pub async fn make_day(client: &Client, parent: &str, at: i64) -> Result<bool, Error> {
    let day = at.div_euclid(time::DAY);
    let start = |day| {
        let (year, month, day) = time::civil_from_days(day);
        format!("{year:04}-{month:02}-{day:02} 00:00:00+00")
    };
    attach(client, parent, &name_of_day(parent, day), &start(day), &start(day + 1)).await
}

/// The names of the partitions of `parent` for UTC days that ended before a time (microseconds since 1970).
///
/// # Errors
/// As [`attach`].
pub async fn days_before(client: &Client, parent: &str, time: i64) -> Result<Vec<String>, Error> {
    let first_kept = name_of_day(parent, time.div_euclid(time::DAY));
    let select = "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = $1::text::regclass AND relname < $2::text ORDER BY relname";
    let rows = client.query(select, &[&parent, &first_kept]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Drops a partition, unless the lock on its table does not come soon: each writer waits behind it.
///
/// # Errors
/// As [`attach`].
pub async fn drop_partition(client: &mut Client, parent: &str, name: &str) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    let milliseconds = LOCK_TIMEOUT.as_millis();
    transaction
        .batch_execute(&format!("SET LOCAL lock_timeout = {milliseconds}"))
        .await?;
    let dropped = transaction
        .query_one("SELECT drop_partition($1::text::regclass, $2)", &[&parent, &name])
        .await;
    match dropped {
        Ok(_) => {
            transaction.commit().await?;
            tracing::info!(partition = name, "dropped a partition that is past its time");
        }
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            tracing::info!(
                partition = name,
                "a partition is in use, such as by a backup; dropping it in an hour"
            );
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The start of a month as SQL text. The year 10000 follows the last one with a partition.
fn literal(start: i64) -> String {
    let (year, month) = time::month_of(start);
    format!("{year:04}-{month:02}-01 00:00:00+00")
}
