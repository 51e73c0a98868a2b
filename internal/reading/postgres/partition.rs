//! Partitions, made on demand: of `reading` by month, and of whatever else has some.

use crate::reading::batch::span_of;
use tokio_postgres::{Client, Error};

/// Held while a partition is made. The number is arbitrary and must never change.
const LOCK: i64 = 0x6f64_6f70_6172_7473;

/// The name of a month's partition.
pub(super) fn name(year: i64, month: i64) -> String {
    format!("reading_{year:04}_{month:02}")
}

/// Makes the partition of this month where it is missing.
pub(super) async fn make(client: &mut Client, year: i64, month: i64) -> Result<(), Error> {
    let span = span_of((year, month));
    let (from, to) = (literal(span.start), literal(span.end));
    attach(client, "reading", &name(year, month), &from, &to).await?;
    Ok(())
}

/// Makes this partition of `parent` where it is missing, in a committed transaction of its own;
/// true where it was. No name comes from outside.
///
/// As a table that is then attached: `CREATE TABLE … PARTITION OF` would lock the whole of
/// `parent` against readers and other writers.
pub(super) async fn attach(client: &mut Client, parent: &str, name: &str, from: &str, to: &str) -> Result<bool, Error> {
    let transaction = client.transaction().await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let attached = transaction
        .query_opt(
            "SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::text::regclass AND inhrelid = to_regclass($2)",
            &[&parent, &name],
        )
        .await?;
    if attached.is_none() {
        transaction
            .batch_execute(&format!(
                "CREATE TABLE {name} (LIKE {parent} INCLUDING ALL);
                 ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{to}')"
            ))
            .await?;
        tracing::info!(partition = name, "made a partition");
    }
    transaction.commit().await?;
    Ok(attached.is_none())
}

/// The start of a month as PostgreSQL reads it. The year 10000 follows the last one with a partition.
fn literal(start: i64) -> String {
    let (year, month) = crate::reading::time::month_of(start);
    format!("{year:04}-{month:02}-01 00:00:00+00")
}
