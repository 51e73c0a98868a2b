//! Latest values and averages from Postgres.

use super::{BUCKET_SECONDS, BUCKETS, Day, Sensor, unit};
use crate::api::{Moment, query, query_series};
use ::postgres::{Error, Pool};
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// The latest reading of each sensor, of one device or of all; at equal times that of the device
/// whose name is bytewise smaller.
pub(super) async fn latest(pool: &Pool, device: Option<&str>) -> Result<BTreeMap<String, Sensor>, Error> {
    // A series whose first reading is still under way has no latest one.
    let statement = "
        SELECT DISTINCT ON (sensor) sensor, device, latest_value, latest_timestamp
        FROM series
        WHERE latest_timestamp IS NOT NULL AND ($1::text IS NULL OR device = $1)
        ORDER BY sensor, latest_timestamp DESC, device";
    let rows = query_series(pool, statement, &[&device]).await?;
    let sensor = |row: &Row| {
        let name: String = row.try_get(0)?;
        let sensor = Sensor {
            device: row.try_get(1)?,
            value: row.try_get(2)?,
            unit: unit(&name),
            timestamp: Moment(row.try_get(3)?),
        };
        Ok((name, sensor))
    };
    rows.iter().map(sensor).collect()
}

/// The averages of a sensor over the quarters of an hour of a day, over all readings of one device
/// or of all.
pub(super) async fn averages(
    pool: &Pool,
    sensor: &str,
    device: Option<&str>,
    day: Day,
) -> Result<[Option<f64>; BUCKETS], Error> {
    match averages_by(pool, "avg(value)", sensor, device, day).await {
        // The sums on the way to an average can leave the range of a double, although the average
        // never does. Slower, but without a range: decimal numbers. By way of text, since the cast
        // from a double keeps 15 digits only; and the cast back refuses what is next to nothing.
        Err(Error::Refused(error)) if error.code() == Some(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE) => {
            let average = "avg(value::text::numeric)";
            let average = format!("CASE WHEN abs({average}) < 5e-324 THEN 0 ELSE {average}::float8 END");
            averages_by(pool, &average, sensor, device, day).await
        }
        answer => answer,
    }
}

async fn averages_by(
    pool: &Pool,
    average: &str,
    sensor: &str,
    device: Option<&str>,
    day: Day,
) -> Result<[Option<f64>; BUCKETS], Error> {
    let statement = format!(
        "SELECT date_bin('{BUCKET_SECONDS} s', timestamp, $3), {average}
         FROM reading
         WHERE series_id IN (SELECT id FROM series WHERE sensor = $1 AND ($2::text IS NULL OR device = $2))
             AND timestamp >= $3 AND timestamp < $4
         GROUP BY 1"
    );
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
        (&sensor, Type::TEXT),
        (&device, Type::TEXT),
        (&day.start, Type::TIMESTAMPTZ),
        (&day.end, Type::TIMESTAMPTZ),
    ];
    let mut averages = [None; BUCKETS];
    for row in query(pool, &statement, &parameters).await? {
        let start: jiff::Timestamp = row.try_get(0)?;
        let bucket = (start.as_second() - day.start.as_second()) / BUCKET_SECONDS;
        let bucket = usize::try_from(bucket).ok().and_then(|bucket| averages.get_mut(bucket));
        if let Some(bucket) = bucket {
            *bucket = row.try_get(1)?;
        }
    }
    Ok(averages)
}
