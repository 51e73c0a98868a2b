//! Records a loaded dump in the database.

use crate::Manifest;
use anyhow::Context;
use store::Stored;

/// The recorded version if the day holds more than the dump: no day has it.
const OTHER: i64 = -1;

/// Records a dump that was just loaded. If the day holds exactly the dump, it is recorded as the day's
/// present version; otherwise as one that the day exceeds. If a value differs from the dump's, nothing is
/// recorded: the next dump keeps the published value.
///
/// For a dropped day, the recorded version of a dump stays: otherwise a dump older than the dropped one would
/// pass for it.
///
/// A writer of readings increments the day's version last before its commit. So while the day's row is
/// locked, its readings are either visible here, or the version moves past the recorded one.
pub(super) async fn record(pool: &::postgres::Pool, dump: &Manifest, stored: Stored) -> anyhow::Result<()> {
    let all = stored.conflicts == 0 && stored.persisted + stored.duplicates == dump.readings;
    let (day, Some(id), true) = (dump.date, dump.id, all) else {
        return Ok(());
    };
    let mut client = pool.get().await.context("connect to the database")?;
    let _timer = ::postgres::Timer::of("record_dump");
    let transaction = client.transaction().await?;
    let locked = format!("SELECT version FROM day WHERE day = '{day}' FOR UPDATE");
    let version = match transaction.query_opt(&locked, &[]).await? {
        Some(row) => row.try_get(0)?,
        // The day has no readings.
        None => 0,
    };
    transaction
        .batch_execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        .await?;
    let count = format!(
        "SELECT coalesce(sum(readings), 0)::int8 FROM series CROSS JOIN LATERAL (
             SELECT count(*) AS readings FROM reading
             WHERE series_id = id AND timestamp >= '{day} 00:00:00Z' AND timestamp < '{day} 24:00:00Z'
         ) AS of_day"
    );
    let there: i64 = transaction.query_one(&count, &[]).await?.try_get(0)?;
    let is_exact = u64::try_from(there).is_ok_and(|there| there == dump.readings);
    let known = format!(
        "INSERT INTO dumped_day (day, dump, version, whole) VALUES ('{day}', $1, $2, true)
         ON CONFLICT (day, dump) DO UPDATE SET version = greatest(dumped_day.version, excluded.version), whole = true"
    );
    let dropped = format!("SELECT FROM dropped_day WHERE day = '{day}'");
    let is_dropped = transaction.query_opt(&dropped, &[]).await?.is_some();
    let version = if is_exact && !is_dropped { version } else { OTHER };
    transaction.execute(&known, &[&id, &version]).await?;
    transaction.commit().await?;
    Ok(())
}
