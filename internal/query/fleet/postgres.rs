//! Reads devices and sensors from PostgreSQL.

use super::{Device, Sensor};
use crate::words::{Database, Time};
use ::postgres::Error;
use jiff::Timestamp;
use store::text::decoded;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// Most series of a page that has more than one device. The earliest reading of each may be looked for in every
/// partition.
const MOST_SERIES: i64 = 4_000;

/// The devices after this one in order of their names, at most `limit` of them, and one at least; without their places.
/// Whether there are more.
pub(super) async fn devices(
    database: &Database,
    after: Option<&str>,
    limit: usize,
) -> Result<(Vec<Device>, bool), Error> {
    // Both orders are those of an index: the names end after one more than a page has, and each series' earliest
    // reading is its first in the earliest partition that has one.
    let statement = "
        WITH candidate AS (
            SELECT device, row_number() OVER names AS place, sum(count(*)) OVER names AS through
            FROM series
            WHERE latest_timestamp IS NOT NULL AND ($1::text IS NULL OR device > $1)
            GROUP BY device WINDOW names AS (ORDER BY device)
            ORDER BY device LIMIT $2 + 1
        ), page AS (
            SELECT device FROM candidate WHERE place = 1 OR (place <= $2 AND through <= $3)
        )
        SELECT device, name, min(earliest), max(latest_timestamp),
            (SELECT count(*) FROM candidate) > (SELECT count(*) FROM page)
        FROM page
        JOIN series USING (device)
        LEFT JOIN device_name USING (device)
        LEFT JOIN LATERAL (
            SELECT timestamp AS earliest FROM reading WHERE series_id = series.id ORDER BY timestamp LIMIT 1
        ) AS first_reading ON true
        WHERE latest_timestamp IS NOT NULL
        GROUP BY device, name ORDER BY device";
    // No limit is near the greatest number.
    let limit = i64::try_from(limit).unwrap_or(i64::MAX - 1);
    let rows = database
        .query(
            statement,
            &[(&after, Type::TEXT), (&limit, Type::INT8), (&MOST_SERIES, Type::INT8)],
        )
        .await?;
    let device = |row: &Row| {
        let name: Option<&str> = row.try_get(1)?;
        Ok(Device {
            device: row.try_get(0)?,
            name: name.map(decoded),
            first_seen: first(row, 2)?,
            last_seen: Time(row.try_get(3)?),
            place: None,
        })
    };
    let has_more = rows.first().map(|row| row.try_get(4)).transpose()?;
    let devices: Result<Vec<Device>, Error> = rows.iter().map(device).collect();
    Ok((devices?, has_more.unwrap_or(false)))
}

/// How many series with readings there are, of one device or of all; counts to `most` and no further.
pub(super) async fn series(database: &Database, device: Option<&str>, most: i64) -> Result<i64, Error> {
    let statement = "
        SELECT count(*) FROM (
            SELECT FROM series
            WHERE latest_timestamp IS NOT NULL AND ($1::text IS NULL OR device = $1)
            LIMIT $2
        ) AS counted";
    let rows = database.query_planned(statement, &[&device, &most]).await?;
    let row = rows
        .first()
        .ok_or_else(|| Error::Unavailable("no answer to the number of series".into()))?;
    Ok(row.try_get(0)?)
}

/// The sensors of one device or of all, in order of their names.
pub(super) async fn sensors(database: &Database, device: Option<&str>) -> Result<Vec<Sensor>, Error> {
    let statement = "
        SELECT sensor, min(earliest), max(latest_timestamp), count(*)
        FROM series
        LEFT JOIN LATERAL (
            SELECT timestamp AS earliest FROM reading WHERE series_id = series.id ORDER BY timestamp LIMIT 1
        ) AS first_reading ON true
        WHERE latest_timestamp IS NOT NULL AND ($1::text IS NULL OR device = $1)
        GROUP BY sensor ORDER BY sensor";
    let rows = database.query(statement, &[(&device, Type::TEXT)]).await?;
    let sensor = |row: &Row| {
        Ok(Sensor::new(
            row.try_get(0)?,
            first(row, 1)?,
            Time(row.try_get(2)?),
            row.try_get(3)?,
        ))
    };
    rows.iter().map(sensor).collect()
}

fn first(row: &Row, at: usize) -> Result<Option<Time>, Error> {
    Ok(row.try_get::<_, Option<Timestamp>>(at)?.map(Time))
}
