//! Reads latest values from PostgreSQL.

use super::Sensor;
use crate::words::{Database, Time, unit};
use ::postgres::Error;
use std::collections::BTreeMap;
use tokio_postgres::Row;

/// The latest reading of each sensor, of one device or of all. At equal times, it is that of the device whose
/// name is bytewise smaller.
pub(super) async fn latest(database: &Database, device: Option<&str>) -> Result<BTreeMap<String, Sensor>, Error> {
    // A series whose first reading is not committed yet has no latest one.
    let statement = "
        SELECT DISTINCT ON (sensor) sensor, device, latest_value, latest_timestamp
        FROM series
        WHERE latest_timestamp IS NOT NULL AND ($1::text IS NULL OR device = $1)
        ORDER BY sensor, latest_timestamp DESC, device";
    let rows = database.query_planned(statement, &[&device]).await?;
    let sensor = |row: &Row| {
        let name: String = row.try_get(0)?;
        let sensor = Sensor {
            device: row.try_get(1)?,
            value: row.try_get(2)?,
            unit: unit(&name),
            timestamp: Time(row.try_get(3)?),
        };
        Ok((name, sensor))
    };
    rows.iter().map(sensor).collect()
}
