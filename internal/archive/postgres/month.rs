//! Months older than the retention, and how to drop one.

use super::with_timeout;
use crate::{Day, Retention};
use anyhow::Context;
use deadpool_postgres::Object;
use reading::time::{DAY, RELEASED, SECOND, days_from_civil};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Look, month_of_partition};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// How long to wait for a lock. Meanwhile, writers to the month and all readers queue behind this
/// transaction. It is less than the server's `deadlock_timeout` (1 s), so that in a deadlock this transaction
/// always gives way.
const LOCK_TIMEOUT: Duration = Duration::from_millis(400);

/// Number of tries, a pause apart; fewer in tests.
const TRIES: usize = if cfg!(test) { 2 } else { 10 };

/// Pause between two tries, in which other transactions go on.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The longest that counting a month may take.
const COUNT_TIMEOUT: Duration = Duration::from_secs(3600);

/// A partition of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    name: String,
    /// `2017-06`.
    pub(crate) month: String,
    /// The first day of the month.
    first: Day,
    /// The day after the last.
    end: Day,
    /// Bytes on disk, with indexes.
    pub(crate) bytes: u64,
    /// Whether it was past its age at a look at the clock a day ago, too.
    pub(crate) confirmed: bool,
}

/// State of a day of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) version: i64,
    /// The version that retention dropped, if any.
    pub(crate) dropped: Option<i64>,
    /// Ids of the dumps that hold the present version.
    pub(crate) fresh: Vec<Uuid>,
}

/// The states of a month's days.
pub(crate) type States = BTreeMap<Day, State>;

/// How many readings each day has.
pub(crate) type Counted = BTreeMap<Day, u64>;

/// Outcome of dropping a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    /// The month was dropped.
    Dropped,
    /// It has changed since its versions were read; nothing was done.
    Changed,
    /// Other transactions were using it; nothing was done.
    Busy,
}

/// The partitions past `retention` at this look, oldest first. Remembers the look unless it is a dry run.
pub(crate) async fn expired(
    pool: &::postgres::Pool,
    retention: Retention,
    look: Look,
    dry_run: bool,
) -> anyhow::Result<Vec<Partition>> {
    let client = pool.get().await.context("connect to the database")?;
    let looking = async {
        if dry_run {
            look.confirmed(&client).await
        } else {
            look.remember(&client).await
        }
    };
    let confirmed = with_timeout(looking)
        .await
        .context("look at the clock (retention needs the role that owns the tables)")?;
    let before = retention.before(look.at);
    // Readings have their own time, so a month that was too old at the release is certainly too old.
    let released = (look.at >= RELEASED + DAY).then_some(RELEASED);
    let confirmed = confirmed.max(released).map(|confirmed| retention.before(confirmed));
    let statement = "
        SELECT relname::text, coalesce(pg_total_relation_size(pg_class.oid), 0)
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'reading'::regclass";
    let rows = with_timeout(client.query(statement, &[]))
        .await
        .context("list the months")?;
    let mut found = Vec::new();
    for row in rows {
        let (name, bytes): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        let Some((year, month)) = month_of_partition(&name) else {
            continue;
        };
        let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let day = |year, month| -> anyhow::Result<Day> { Ok(format!("{year:04}-{month:02}-01").parse()?) };
        let over = days_from_civil(next_year, next_month, 1) * 86_400 * SECOND;
        if over <= before {
            found.push(Partition {
                confirmed: confirmed.is_some_and(|confirmed| over <= confirmed),
                name,
                month: format!("{year:04}-{month:02}"),
                first: day(year, month)?,
                end: day(next_year, next_month)?,
                bytes: bytes.unsigned_abs(),
            });
        }
    }
    found.sort_by_key(|partition| partition.first);
    Ok(found)
}

/// Reads the states of a month's days.
pub(crate) async fn states(pool: &::postgres::Pool, month: &Partition) -> anyhow::Result<States> {
    let client = pool.get().await.context("connect to the database")?;
    with_timeout(read_states(&client, month)).await?
}

/// Counts the readings of each day, and leaves out days without any. Reads the whole month. None if another
/// retention has just dropped it.
pub(crate) async fn count(pool: &::postgres::Pool, month: &Partition) -> anyhow::Result<Option<Counted>> {
    // Taken out of the pool: if interrupted, it is closed.
    let client = Object::take(pool.get().await.context("connect to the database")?);
    let counting = async {
        let limit = format!("SET statement_timeout = {}", COUNT_TIMEOUT.as_millis());
        client.batch_execute(&limit).await?;
        let statement = format!(
            "SELECT (timestamp AT TIME ZONE 'UTC')::date::text, count(*) FROM {} GROUP BY 1",
            month.name
        );
        client.query(&statement, &[]).await
    };
    let rows = tokio::time::timeout(COUNT_TIMEOUT, counting).await;
    let rows = match rows.with_context(|| format!("{} was not counted within {COUNT_TIMEOUT:?}", month.month))? {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(None),
        rows => rows.context("count the month's readings")?,
    };
    let counted: anyhow::Result<Counted> = rows
        .iter()
        .map(|row| {
            let readings: i64 = row.try_get(1)?;
            Ok((row.try_get::<_, &str>(0)?.parse()?, readings.unsigned_abs()))
        })
        .collect();
    counted.map(Some)
}

/// Drops a month whose states are still as expected. Records that the days in `dropped` are now only in these
/// revisions of their dumps.
pub(crate) async fn drop_month(
    pool: &::postgres::Pool,
    month: &Partition,
    expected: &States,
    dropped: &[(Day, u64)],
) -> anyhow::Result<Drop> {
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        // Taken out of the pool: at any end, the locks end with it.
        let mut client = Object::take(pool.get().await.context("connect to the database")?);
        match with_timeout(async { Ok(attempt_drop(&mut client, month, expected, dropped).await) }).await? {
            Ok(true) => return Ok(Drop::Dropped),
            Ok(false) => return Ok(Drop::Changed),
            Err(error) if is_code(&error, &[SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED]) => {
                tracing::debug!(month = month.month, "the month is in use; trying again");
            }
            Err(error) if is_code(&error, &[SqlState::INSUFFICIENT_PRIVILEGE]) => {
                return Err(error).context(
                    "the database's role may not drop partitions; run retention with the role that owns the tables",
                );
            }
            // Another retention has dropped it.
            Err(error) if is_code(&error, &[SqlState::UNDEFINED_TABLE]) => return Ok(Drop::Changed),
            Err(error) => return Err(error),
        }
    }
    Ok(Drop::Busy)
}

fn is_code(error: &anyhow::Error, codes: &[SqlState]) -> bool {
    let code = error.downcast_ref::<Error>().and_then(Error::code);
    code.is_some_and(|code| codes.contains(code))
}

/// Returns whether the month was dropped; if it has changed, it was not.
async fn attempt_drop(
    client: &mut Client,
    month: &Partition,
    expected: &States,
    dropped: &[(Day, u64)],
) -> anyhow::Result<bool> {
    let _timer = ::postgres::Timer::of("drop_month");
    let transaction = client.transaction().await?;
    // First lock against writers of this month only. A writer of readings increments the versions of its days
    // in the same transaction, so under the lock the versions tell every change. Then PostgreSQL's own DROP
    // also locks the parent, until the commit.
    let name = &month.name;
    let lock = format!(
        "SET LOCAL lock_timeout = {};
         LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE",
        LOCK_TIMEOUT.as_millis()
    );
    transaction.batch_execute(&lock).await?;
    if read_states(transaction.client(), month).await?? != *expected {
        transaction.rollback().await?;
        return Ok(false);
    }
    let record = "
        INSERT INTO dropped_day (day, version, revision) VALUES ($1::text::date, $2, $3)
        ON CONFLICT (day) DO UPDATE SET version = $2, revision = $3, dropped_at = now()";
    let record = transaction.prepare(record).await?;
    for (day, revision) in dropped {
        let version = expected.get(day).map_or(0, |state| state.version);
        let revision = i64::try_from(*revision).context("the number of the revision is too large")?;
        transaction
            .execute(&record, &[&day.to_string(), &version, &revision])
            .await?;
    }
    transaction.batch_execute(&format!("DROP TABLE {name}")).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn read_states(client: &Client, month: &Partition) -> Result<anyhow::Result<States>, Error> {
    let statement = format!(
        "SELECT day::text, day.version, dropped_day.version, array(
             SELECT dump FROM dumped_day
             WHERE dumped_day.day = day.day AND dumped_day.version = day.version ORDER BY dump
         )
         FROM day LEFT JOIN dropped_day USING (day)
         WHERE day >= '{}' AND day < '{}'",
        month.first, month.end
    );
    let rows = client.query(&statement, &[]).await?;
    let state = |row: &tokio_postgres::Row| {
        let state = State {
            version: row.try_get(1)?,
            dropped: row.try_get(2)?,
            fresh: row.try_get(3)?,
        };
        Ok((row.try_get::<_, &str>(0)?.parse()?, state))
    };
    Ok(rows.iter().map(state).collect())
}
