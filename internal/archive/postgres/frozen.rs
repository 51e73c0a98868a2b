//! The readings of a database as they stood at one moment, day by day.

use super::{BEGIN, ROWS, with_timeout};
use crate::pieces::{Piece, Pieces};
use crate::{Day, Days};
use anyhow::Context;
use deadpool_postgres::{ClientWrapper, Object};
use futures_util::StreamExt;
use reading::Point;
use std::collections::BTreeSet;
use std::pin::pin;
use store::Timestamptz;
use tokio::sync::mpsc;

/// A database, frozen.
pub struct Frozen {
    /// Taken out of the pool: the connection ends with this, and the transaction with it.
    client: ClientWrapper,
}

impl Frozen {
    /// A database as it stands now.
    ///
    /// # Errors
    /// Where it cannot be read, or holds no table of readings.
    pub async fn open(pool: &::postgres::Pool) -> anyhow::Result<Self> {
        let client = Object::take(pool.get().await.context("connect to the database")?);
        let there = with_timeout(async {
            let row = client
                .query_one("SELECT to_regclass('reading') IS NOT NULL", &[])
                .await?;
            row.try_get(0)
        });
        let there: bool = there.await.context("look for the table of readings")?;
        anyhow::ensure!(there, "the database holds no table of readings; is its URL right?");
        // What freezes it is the first look at a table that follows.
        let frozen = with_timeout(client.batch_execute(BEGIN)).await;
        frozen.context("freeze the database")?;
        Ok(Self { client })
    }

    /// The days of this range that may have readings: those of the months that have a partition.
    /// The table of days would leave out what was inserted by hand.
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

    /// Sends the readings of a day in order; ends early when `to` is closed.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn read(&self, day: Day, to: mpsc::Sender<Piece>) -> anyhow::Result<()> {
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
        let rows = with_timeout(self.client.query_raw(&readings, none)).await?;
        let mut rows = pin!(rows.ready_chunks(ROWS));
        let mut pieces = Pieces::new(to);
        while let Some(chunk) = with_timeout(async { Ok(rows.next().await) }).await? {
            for row in chunk {
                let row = row?;
                let Timestamptz(timestamp) = row.try_get(2)?;
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
