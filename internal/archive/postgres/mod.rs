//! Reads a day as it stood at one moment.
//!
//! What retention has dropped of a day is not in the database any more: then the dump in force is
//! read along (`merge.rs`).

mod days;
mod frozen;
mod month;

pub(super) use days::{after as days_after, record};
pub use frozen::Frozen;
pub(super) use month::{Counted, Drop, Partition, States, count, drop_month, expired, states};

use super::commit::{Content, Known, Source};
use super::merge::Merge;
use super::read::Reader;
use super::write::{self, Written};
use super::{Day, Manifest};
use anyhow::Context;
use blob::Store;
use deadpool_postgres::{ClientWrapper, Object};
use futures_util::StreamExt;
use std::pin::pin;
use std::time::Duration;
use store::Timestamptz;
use uuid::Uuid;

/// The longest that the server may take for the next piece of an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Series that are looked up at once.
const PAGE: usize = 1000;

/// Rows handed on between two looks at the clock.
const ROWS: usize = 1000;

/// Statements go on while rows are taken, so that their length is the upload's; an order that
/// follows the primary key costs the server no memory. The lock comes before the snapshot, and keeps
/// retention from dropping a partition until the end: a table that is gone is gone for old snapshots,
/// too. It is in nobody else's way.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = '6h';
    SET LOCAL idle_in_transaction_session_timeout = '1h';
    SET LOCAL enable_sort = off;
    LOCK TABLE ONLY reading IN ACCESS SHARE MODE";

/// A day in a database.
pub(super) struct OfDay<'a> {
    pub(super) pool: &'a ::postgres::Pool,
    pub(super) day: Day,
}

impl Source for OfDay<'_> {
    type Content = Snapshot;

    async fn freeze(&self, dump: Option<&Manifest>) -> anyhow::Result<Snapshot> {
        Snapshot::open(self.pool, self.day, dump).await
    }

    async fn record(&self, dump: Uuid, known: Known) -> anyhow::Result<()> {
        let client = self.pool.get().await.context("connect to the database")?;
        let recorded = record(&client, self.day, dump, known).await;
        recorded.context("have the database know the dump (the role that dumps needs INSERT on dumped_day)")
    }
}

/// A day's version and its readings, as they stood when it was opened.
pub(super) struct Snapshot {
    /// Taken out of the pool: however this ends, the connection ends with it, and the transaction
    /// with the connection.
    client: ClientWrapper,
    _timer: ::postgres::Timer,
    day: Day,
    version: i64,
    dropped: Option<i64>,
    known: Option<Known>,
    held: Option<i64>,
}

impl Snapshot {
    pub(super) async fn open(pool: &::postgres::Pool, day: Day, dump: Option<&Manifest>) -> anyhow::Result<Self> {
        let id = dump.and_then(|dump| dump.id);
        let based_on = dump.map_or(&[][..], |dump| &dump.based_on);
        let client = Object::take(pool.get().await.context("connect to the database")?);
        let timer = ::postgres::Timer::of("read_day");
        let versions = with_timeout(async {
            client.batch_execute(BEGIN).await?;
            let versions = format!(
                "SELECT (SELECT version FROM day WHERE day = '{day}'),
                    (SELECT version FROM dropped_day WHERE day = '{day}')"
            );
            let row = client.query_one(&versions, &[]).await?;
            let known = format!("SELECT version, whole FROM dumped_day WHERE day = '{day}' AND dump = $1");
            let known = match client.query_opt(&known, &[&id]).await? {
                Some(row) => Some(Known {
                    version: row.try_get(0)?,
                    whole: row.try_get(1)?,
                }),
                None => None,
            };
            let held =
                format!("SELECT max(version) FROM dumped_day WHERE day = '{day}' AND (dump = $1 OR dump = ANY ($2))");
            let held: Option<i64> = client.query_one(&held, &[&id, &based_on]).await?.try_get(0)?;
            Ok((row.try_get::<_, Option<i64>>(0)?, row.try_get(1)?, known, held))
        });
        let (version, dropped, known, held) = versions.await.with_context(|| format!("read the version of {day}"))?;
        Ok(Self {
            client,
            _timer: timer,
            day,
            version: version.unwrap_or(0),
            dropped,
            known,
            // Of a dump from before dumps had ids, there is only the version that it was read at.
            held: held.or(dump.filter(|dump| dump.id.is_none()).map(|dump| dump.day_version)),
        })
    }

    async fn readings(&self, to: &mut Merge) -> anyhow::Result<()> {
        let day = self.day;
        // The day is written out, so that the planner sees which month it is and locks no other.
        let readings = format!(
            "SELECT timestamp, value FROM reading
             WHERE series_id = $1 AND timestamp >= '{day} 00:00:00Z' AND timestamp < '{day} 24:00:00Z'
             ORDER BY timestamp"
        );
        let readings = with_timeout(self.client.prepare(&readings)).await?;
        let series = format!(
            "SELECT id, device, sensor FROM series
             WHERE (device, sensor) > ($1, $2) AND latest_timestamp >= '{day} 00:00:00Z'
             ORDER BY device, sensor LIMIT {PAGE}"
        );
        let series = with_timeout(self.client.prepare(&series)).await?;
        let mut last = (String::new(), String::new());
        loop {
            let page = with_timeout(self.client.query(&series, &[&last.0, &last.1])).await?;
            for row in &page {
                let (id, device, sensor): (i32, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                to.series(&device, &sensor);
                let rows = with_timeout(self.client.query_raw(&readings, [id])).await?;
                let mut rows = pin!(rows.ready_chunks(ROWS));
                while let Some(chunk) = with_timeout(async { Ok(rows.next().await) }).await? {
                    for row in chunk {
                        let row = row?;
                        let Timestamptz(timestamp) = row.try_get(0)?;
                        to.reading(timestamp, row.try_get(1)?).await?;
                    }
                }
                last = (device, sensor);
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

impl Content for Snapshot {
    fn version(&self) -> i64 {
        self.version
    }

    fn dropped(&self) -> Option<i64> {
        self.dropped
    }

    fn known(&self) -> Option<Known> {
        self.known
    }

    fn held(&self) -> Option<i64> {
        self.held
    }

    async fn write(self, base: Option<(&Store, &Manifest)>, to: &mut blob::Writer) -> anyhow::Result<(Written, bool)> {
        let base = match base {
            Some((store, manifest)) => Some(Reader::open(store, manifest).await?),
            None => None,
        };
        let mut has_all = true;
        let written = write::write(self.day, to, async |sink| {
            let mut merge = Merge::new(base, sink);
            self.readings(&mut merge).await.context("read the day's readings")?;
            let sink;
            (sink, has_all) = merge.finish().await?;
            Ok(sink)
        })
        .await?;
        Ok((written, has_all))
    }
}

async fn with_timeout<T>(work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(PATIENCE, work).await;
    Ok(answer.with_context(|| format!("the database sent nothing for {PATIENCE:?}"))??)
}
