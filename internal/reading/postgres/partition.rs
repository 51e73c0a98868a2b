//! The monthly partitions of `reading`, made on demand.

use crate::reading::batch::span_of;
use tokio_postgres::{Client, Error};

/// Held while a partition is made. The number is arbitrary and must never change.
const LOCK: i64 = 0x6f64_6f70_6172_7473;

/// The name of a month's partition.
pub(super) fn name(year: i64, month: i64) -> String {
    format!("reading_{year:04}_{month:02}")
}

/// The year and month whose partition has this name; none where a partition has another kind of name.
pub(crate) fn month_of_name(name: &str) -> Option<(i64, i64)> {
    let (year, month) = name.strip_prefix("reading_")?.split_once('_')?;
    let (year, month) = (year.parse().ok()?, month.parse().ok()?);
    let exists = (1..=9999).contains(&year) && (1..=12).contains(&month);
    (exists && self::name(year, month) == name).then_some((year, month))
}

/// Makes the partition of this month where it is missing, in a committed transaction of its own.
///
/// As a table that is then attached: `CREATE TABLE … PARTITION OF` would lock the whole of
/// `reading` against readers and other writers.
pub(super) async fn make(client: &mut Client, year: i64, month: i64) -> Result<(), Error> {
    let name = name(year, month);
    let transaction = client.transaction().await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let attached = transaction
        .query_opt(
            "SELECT inhrelid FROM pg_inherits WHERE inhparent = 'reading'::regclass AND inhrelid = to_regclass($1)",
            &[&name],
        )
        .await?;
    if attached.is_none() {
        let span = span_of((year, month));
        let (from, to) = (literal(span.start), literal(span.end));
        transaction
            .batch_execute(&format!(
                "CREATE TABLE {name} (LIKE reading INCLUDING ALL);
                 ALTER TABLE reading ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{to}')"
            ))
            .await?;
        tracing::info!(partition = name, "made a partition");
    }
    transaction.commit().await
}

/// The start of a month as PostgreSQL reads it. The year 10000 follows the last one with a partition.
fn literal(start: i64) -> String {
    let (year, month) = crate::reading::time::month_of(start);
    format!("{year:04}-{month:02}-01 00:00:00+00")
}
