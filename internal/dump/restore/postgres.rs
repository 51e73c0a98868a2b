//! A day's version after its dump was loaded.

use crate::dump::{Day, Manifest};
use crate::reading::postgres::Stored;
use anyhow::Context;

/// Whether nothing was ever stored of this day here.
pub(super) async fn is_new(pool: &::postgres::Pool, day: Day) -> anyhow::Result<bool> {
    let client = pool.get().await.context("connect to the database")?;
    let there = client
        .query_opt(&format!("SELECT FROM day WHERE day = '{day}'"), &[])
        .await
        .with_context(|| format!("look up the version of {day}"))?;
    Ok(there.is_none())
}

/// Gives a day whose dump was just loaded its version: the dump's where the day holds exactly the
/// dump, and one that is greater where it does not.
///
/// Whoever writes readings counts the day as the last thing before the commit. So while the day's
/// row is locked, either what they wrote is seen here, or they count on from what is settled here.
///
/// A version goes back only where the day was new before the restore: to a dumper that has read
/// the day meanwhile, the way from there to the same number again would look like no change.
pub(super) async fn settle(pool: &::postgres::Pool, dump: &Manifest, stored: Stored, new: bool) -> anyhow::Result<()> {
    let (day, wanted) = (dump.date, dump.day_version);
    let mut client = pool.get().await.context("connect to the database")?;
    let transaction = client.transaction().await?;
    let locked = format!("SELECT version FROM day WHERE day = '{day}' FOR UPDATE");
    let Some(row) = transaction.query_opt(&locked, &[]).await? else {
        // A dump without readings, of a day that has none.
        return Ok(());
    };
    let version: i64 = row.try_get(0)?;
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
    let all = stored.conflicts == 0 && stored.stored + stored.duplicates == dump.readings;
    let exact = all && u64::try_from(there).is_ok_and(|there| there == dump.readings);
    let settled = match exact {
        true if new => wanted,
        true => version.max(wanted),
        false => version.max(wanted.saturating_add(1)),
    };
    if settled != version {
        let set = format!("UPDATE day SET version = $1 WHERE day = '{day}'");
        transaction.execute(&set, &[&settled]).await?;
    }
    transaction.commit().await?;
    Ok(())
}
