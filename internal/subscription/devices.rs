//! Devices, and the series of theirs that rules watch.

use crate::rule::Rule;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use store::Timestamptz as Instant;
use tokio_postgres::{Error, Transaction};

/// The series of a device that rules watch: ids by sensor, and when the latest reading was.
pub(crate) type Watched = BTreeMap<String, (i32, i64)>;

/// The devices of these series, each with all its watched series.
pub(crate) async fn of(
    transaction: &Transaction<'_>,
    rules: &[&Arc<Rule>],
    series: &[i32],
) -> Result<BTreeMap<String, Watched>, Error> {
    if series.is_empty() || rules.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sensors: HashSet<&str> = rules.iter().flat_map(|rule| rule.watched()).collect();
    let sensors: Vec<&str> = sensors.into_iter().collect();
    let select = "SELECT device, sensor, id, latest_timestamp FROM series
        WHERE device IN (SELECT device FROM series WHERE id = ANY($1)) AND sensor = ANY($2) AND latest_timestamp IS NOT NULL";
    let rows = transaction.query(select, &[&series, &sensors]).await?;
    by_device(&rows)
}

/// Every device that one of these sensors has readings of.
pub(crate) async fn all(transaction: &Transaction<'_>, sensors: &[&str]) -> Result<BTreeMap<String, Watched>, Error> {
    let select = "SELECT device, sensor, id, latest_timestamp FROM series
        WHERE (sensor = ANY($1) OR cardinality($1) = 0) AND latest_timestamp IS NOT NULL";
    let rows = transaction.query(select, &[&sensors]).await?;
    by_device(&rows)
}

fn by_device(rows: &[tokio_postgres::Row]) -> Result<BTreeMap<String, Watched>, Error> {
    let mut devices: BTreeMap<String, Watched> = BTreeMap::new();
    for row in rows {
        let Instant(latest) = row.try_get(3)?;
        let device = devices.entry(row.try_get(0)?).or_default();
        device.insert(row.try_get(1)?, (row.try_get(2)?, latest));
    }
    Ok(devices)
}
