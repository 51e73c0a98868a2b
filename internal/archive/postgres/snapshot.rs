//! The readings of a database in one snapshot, day by day.

use super::with_timeout;
use crate::chunks::{ChunkWriter, Closed, SeriesChunk};
use crate::{Day, Days};
use anyhow::Context;
use deadpool_postgres::{ClientWrapper, Object};
use futures_util::StreamExt;
use reading::Point;
use std::collections::BTreeSet;
use std::pin::pin;
use store::Timestamptz;
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Row, Statement};

/// Series that one statement reads.
const PAGE: usize = 1000;

/// Rows handed on between two looks at the clock.
const ROWS: usize = 1000;

/// The statements last as long as the upload of a dump, since they go on while rows are taken. Without
/// sorts, the server reads in the order of the primary key and needs no memory for it. They would make plans
/// look so dear that the server compiled them first. The lock comes before the snapshot and keeps retention from
/// dropping a partition until the end: a dropped table is gone for old snapshots, too. The lock blocks no other
/// program.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = '6h';
    SET LOCAL idle_in_transaction_session_timeout = '1h';
    SET LOCAL enable_sort = off;
    SET LOCAL jit = off;
    LOCK TABLE ONLY reading IN ACCESS SHARE MODE";

/// A database as it stood at the first look at one of its tables.
pub struct Snapshot {
    /// Taken out of the pool: the connection ends with this, and the transaction with it.
    pub(super) client: ClientWrapper,
}

impl Snapshot {
    /// Begins a snapshot: the first statement over it takes it.
    ///
    /// # Errors
    /// Where the database cannot be read, or holds no table of readings.
    pub async fn begin(pool: &::postgres::Pool) -> anyhow::Result<Self> {
        let client = Object::take(pool.get().await.context("connect to the database")?);
        match with_timeout(client.batch_execute(BEGIN)).await {
            Ok(()) => Ok(Self { client }),
            Err(error) if is_undefined_table(&error) => {
                Err(error.context("the database holds no table of readings; is its URL right?"))
            }
            Err(error) => Err(error.context("begin to read the database")),
        }
    }

    /// The days of this range that may have readings: those of months with a partition. The table of days
    /// would miss readings inserted by hand.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn days(&self, days: Days) -> anyhow::Result<BTreeSet<Day>> {
        let list = "
            SELECT of_month::date::text FROM (
                SELECT substring(pg_get_expr(relpartbound, oid) FROM 'FROM \\(''([0-9-]+)')::date AS first,
                       substring(pg_get_expr(relpartbound, oid) FROM 'TO \\(''([0-9-]+)')::date AS next
                FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'reading'::regclass)
            ) AS month
            CROSS JOIN LATERAL generate_series(first, next - 1, interval '1 day') AS of_month";
        let rows = with_timeout(self.client.query(list, &[])).await;
        let rows = rows.context("list the months that have readings")?;
        let mut found = BTreeSet::new();
        for row in rows {
            let day: Day = row.try_get::<_, &str>(0)?.parse()?;
            found.extend(Some(day).filter(|day| days.contains(*day)));
        }
        Ok(found)
    }

    /// Sends the readings of a day in the order of dumps; ends early when `to` is closed.
    ///
    /// Reads every series, also those that have no latest value of that day or later: what was inserted by
    /// hand counts.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn read(&self, day: Day, to: mpsc::Sender<SeriesChunk>) -> anyhow::Result<()> {
        let series = format!(
            "SELECT id, device, sensor FROM series WHERE (device, sensor) > ($1, $2)
             ORDER BY device, sensor LIMIT {PAGE}"
        );
        let series = with_timeout(self.client.prepare(&series)).await?;
        // The day is written out, so that the planner sees which month it is and locks no other. The join is
        // a loop over the page, each series read by the primary key.
        let readings = format!(
            "SELECT page.id, timestamp, value FROM unnest($1::int[]) AS page (id)
             CROSS JOIN LATERAL (
                 SELECT timestamp, value FROM reading
                 WHERE series_id = page.id AND timestamp >= '{day} 00:00:00Z' AND timestamp < '{day} 24:00:00Z'
                 ORDER BY timestamp
             ) AS of_day"
        );
        let readings = with_timeout(self.client.prepare(&readings)).await?;
        let mut chunks = ChunkWriter::new(to);
        let mut last = (String::new(), String::new());
        loop {
            let rows = with_timeout(self.client.query(&series, &[&last.0, &last.1])).await?;
            let page = rows.iter().map(Series::read).collect::<Result<Vec<_>, _>>()?;
            if self.read_page(&readings, &page, &mut chunks).await?.is_err() {
                return Ok(());
            }
            match page.into_iter().nth(PAGE - 1) {
                Some(end) => last = (end.device, end.sensor),
                None => break,
            }
        }
        // A closed receiver has ended this early, at the last chunk.
        let _closed = chunks.finish().await;
        Ok(())
    }

    /// Sends the readings of these series.
    async fn read_page(
        &self,
        statement: &Statement,
        page: &[Series],
        to: &mut ChunkWriter,
    ) -> anyhow::Result<Result<(), Closed>> {
        let ids: Vec<i32> = page.iter().map(|series| series.id).collect();
        let rows = with_timeout(self.client.query_raw(statement, [&ids])).await?;
        let mut rows = pin!(rows.ready_chunks(ROWS));
        let mut page = page.iter();
        let mut series = page.next();
        let mut latest = i64::MIN;
        while let Some(chunk) = with_timeout(async { Ok(rows.next().await) }).await? {
            for row in chunk {
                let row = row?;
                let id: i32 = row.try_get(0)?;
                let Timestamptz(timestamp) = row.try_get(1)?;
                let value = row.try_get(2)?;
                while series.is_some_and(|series| series.id != id) {
                    series = page.next();
                    latest = i64::MIN;
                }
                // SQL promises no order without ORDER BY, which would make the server sort.
                let series = series
                    .filter(|_| timestamp > latest)
                    .context("the database sent readings out of their order")?;
                latest = timestamp;
                let point = Point { timestamp, value };
                if to.push(&series.device, &series.sensor, point).await.is_err() {
                    return Ok(Err(Closed));
                }
            }
        }
        Ok(Ok(()))
    }
}

/// A series of a page.
struct Series {
    id: i32,
    device: String,
    sensor: String,
}

impl Series {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            id: row.try_get(0)?,
            device: row.try_get(1)?,
            sensor: row.try_get(2)?,
        })
    }
}

fn is_undefined_table(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<tokio_postgres::Error>();
    error.and_then(tokio_postgres::Error::code) == Some(&SqlState::UNDEFINED_TABLE)
}
