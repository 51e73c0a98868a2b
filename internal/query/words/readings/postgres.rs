//! Reads devices with their series, and windows of readings, from PostgreSQL.

use crate::words::Database;
use crate::words::places::{COORDINATES, timestamp};
use ::postgres::Error;
use jiff::Timestamp;
use store::Timestamptz;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// A device, and its series by number of the sensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) series: Vec<Option<i32>>,
}

/// Devices that have both coordinates, or one of the sensors `alone`, at or after a moment, in order of their names; of
/// one name, or of all. At most `most`, each with its series of these sensors.
pub(crate) async fn devices(
    database: &Database,
    device: Option<&str>,
    sensors: &[&str],
    alone: &[&str],
    since: i64,
    most: usize,
) -> Result<Vec<Device>, Error> {
    let statement = "
        SELECT device, array_agg(sensor), array_agg(id) FROM series
        WHERE sensor = ANY($1::text[]) AND ($2::text IS NULL OR device = $2) AND latest_timestamp >= $3
        GROUP BY device
        HAVING count(*) FILTER (WHERE sensor = ANY($5::text[])) = 2
            OR count(*) FILTER (WHERE sensor = ANY($6::text[])) > 0
        ORDER BY device LIMIT $4";
    let both: &[&str] = &COORDINATES;
    let since: Timestamp = timestamp(since);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = database
        .query_planned(statement, &[&sensors, &device, &since, &most, &both, &alone])
        .await?;
    let device = |row: &Row| {
        let (found, ids): (Vec<String>, Vec<i32>) = (row.try_get(1)?, row.try_get(2)?);
        let id = |sensor: &&str| {
            let known = found.iter().zip(&ids).find(|(name, _)| name == sensor);
            known.map(|(_, id)| *id)
        };
        Ok(Device {
            name: row.try_get(0)?,
            series: sensors.iter().map(id).collect(),
        })
    };
    rows.iter().map(device).collect()
}

/// The earliest readings of each of these series within a span, at most `most` of each: times in microseconds, and
/// values.
pub(super) async fn pages(
    database: &Database,
    series: &[i32],
    since: i64,
    before: i64,
    most: usize,
) -> Result<Vec<Vec<(i64, f64)>>, Error> {
    // Arrays return many readings in half the time of rows.
    let statement = format!(
        "SELECT times, readings
         FROM unnest($1::int[]) WITH ORDINALITY AS asked (series, place)
         CROSS JOIN LATERAL (
             SELECT array_agg(timestamp) AS times, array_agg(value) AS readings
             FROM (
                 SELECT timestamp, value FROM reading
                 WHERE series_id = series AND timestamp >= $2 AND timestamp < $3
                 ORDER BY timestamp LIMIT {most}
             ) AS earliest
         ) AS page
         ORDER BY place"
    );
    let (since, before) = (timestamp(since), timestamp(before));
    let rows = database
        .query(
            &statement,
            &[
                (&series, Type::INT4_ARRAY),
                (&since, Type::TIMESTAMPTZ),
                (&before, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    let page = |row: &Row| {
        let times: Option<Vec<Timestamptz>> = row.try_get(0)?;
        let values: Option<Vec<f64>> = row.try_get(1)?;
        let times = times.unwrap_or_default().into_iter().map(|Timestamptz(time)| time);
        Ok(times.zip(values.unwrap_or_default()).collect())
    };
    rows.iter().map(page).collect()
}
