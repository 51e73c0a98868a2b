//! The readings of a database as they stood at one moment, day by day.

use crate::dump::pieces::{Piece, Pieces};
use crate::dump::postgres::{BEGIN, ROWS, patiently};
use crate::dump::{Day, Days};
use crate::reading::Point;
use crate::reading::postgres::Moment;
use anyhow::Context;
use deadpool_postgres::{ClientWrapper, Object};
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::pin::pin;
use tokio::sync::mpsc;

/// A database, frozen.
pub(super) struct Frozen {
    /// Taken out of the pool: the connection ends with this, and the transaction with it.
    client: ClientWrapper,
}

impl Frozen {
    pub(super) async fn open(pool: &::postgres::Pool) -> anyhow::Result<Self> {
        let client = Object::take(pool.get().await.context("connect to the database")?);
        let there = patiently(async {
            let row = client
                .query_one("SELECT to_regclass('reading') IS NOT NULL", &[])
                .await?;
            row.try_get(0)
        });
        let there: bool = there.await.context("look for the table of readings")?;
        anyhow::ensure!(there, "the database holds no table of readings; is its URL right?");
        // What freezes it is the first look at a table that follows.
        let frozen = patiently(client.batch_execute(BEGIN)).await;
        frozen.context("freeze the database")?;
        Ok(Self { client })
    }

    /// The days of this range that may have readings: those of the months that have a partition.
    /// The table of days would leave out what somebody put in by hand.
    pub(super) async fn days(&self, days: Days) -> anyhow::Result<BTreeSet<Day>> {
        let list = "
            SELECT of_month::date::text FROM (
                SELECT substring(pg_get_expr(relpartbound, oid) FROM 'FROM \\(''([0-9-]+)')::date AS first,
                       substring(pg_get_expr(relpartbound, oid) FROM 'TO \\(''([0-9-]+)')::date AS next
                FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'reading'::regclass)
            ) AS month
            CROSS JOIN LATERAL generate_series(first, next - 1, interval '1 day') AS of_month";
        let rows = patiently(self.client.query(list, &[])).await;
        let rows = rows.context("list the months that have readings")?;
        let mut found = BTreeSet::new();
        for row in rows {
            let day: Day = row.try_get::<_, &str>(0)?.parse()?;
            found.extend(Some(day).filter(|day| days.contains(*day)));
        }
        Ok(found)
    }

    /// Hands on the readings of a day, until nobody wants them.
    pub(super) async fn read(&self, day: Day, to: mpsc::Sender<Piece>) -> anyhow::Result<()> {
        // One statement a day. The order inside makes it a loop over the series, each read by the
        // primary key; not only those whose latest value says that they have something.
        let readings = format!(
            "SELECT device, sensor, timestamp, value FROM series
             CROSS JOIN LATERAL (
                 SELECT timestamp, value FROM reading
                 WHERE series_id = id AND timestamp >= '{day} 00:00:00Z' AND timestamp < '{day} 24:00:00Z'
                 ORDER BY timestamp
             ) AS of_day
             ORDER BY device, sensor, timestamp"
        );
        let none: [i32; 0] = [];
        let rows = patiently(self.client.query_raw(&readings, none)).await?;
        let mut rows = pin!(rows.ready_chunks(ROWS));
        let mut pieces = Pieces::new(to);
        while let Some(chunk) = patiently(async { Ok(rows.next().await) }).await? {
            for row in chunk {
                let row = row?;
                let Moment(timestamp) = row.try_get(2)?;
                let value = row.try_get(3)?;
                let point = Point { timestamp, value };
                if pieces.push(row.try_get(0)?, row.try_get(1)?, point).await.is_err() {
                    return Ok(());
                }
            }
        }
        // Nobody wants it: then it makes no difference.
        let _unwanted = pieces.finish().await;
        Ok(())
    }
}
