//! Drops what is past its time: whole partitions.

use ::postgres::{Error, Pool};
use reading::time;
use std::time::Duration;
use store::{days_before, drop_partition};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(3600);

/// How long changes are kept, once they were taken.
const CHANGES: i64 = 7 * time::DAY;

/// Drops events, attempts and messages after `kept`, changes that were taken after 7 days, and told moments of months
/// without readings. Until `stop`.
pub(crate) async fn run(pool: Pool, kept: Duration, stop: CancellationToken) {
    let working = async {
        loop {
            if let Err(error) = drop_old(&pool, time::micros(kept)).await {
                tracing::warn!(%error, "cannot drop old events; trying again in an hour");
            }
            sleep(INTERVAL).await;
        }
    };
    stop.run_until_cancelled(working).await;
}

/// Drops what is past its time as of a look at the clock a day earlier: a clock that jumps drops nothing.
pub(crate) async fn drop_old(pool: &Pool, kept: i64) -> Result<(), Error> {
    let Some(confirmed) = store::Store::new(pool.clone()).look_at_clock().await? else {
        return Ok(());
    };
    let mut client = pool.get().await?;
    for parent in ["published", "delivery", "attempt"] {
        for name in days_before(&client, parent, confirmed - kept).await? {
            drop_partition(&mut client, parent, &name).await?;
        }
    }
    for name in days_before(&client, "change", confirmed - CHANGES).await? {
        // A notifier that was away for long still has to take changes of this day.
        let taken = format!(
            "SELECT NOT EXISTS (SELECT FROM {name}, evaluator
                WHERE xid >= pg_snapshot_xmax(seen) OR xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen))))"
        );
        if client.query_one(&taken, &[]).await?.try_get(0)? {
            drop_partition(&mut client, "change", &name).await?;
        }
    }
    loop {
        let delete = "DELETE FROM gap WHERE ctid = ANY(ARRAY(SELECT ctid FROM gap WHERE at < $1 LIMIT 50000))";
        let before = store::Timestamptz(confirmed - kept);
        if client.execute(delete, &[&before]).await? == 0 {
            break;
        }
    }
    let months = "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'told'::regclass AND to_regclass(replace(relname, 'told_', 'reading_')) IS NULL";
    for row in client.query(months, &[]).await? {
        drop_partition(&mut client, "told", row.try_get(0)?).await?;
    }
    Ok(())
}
