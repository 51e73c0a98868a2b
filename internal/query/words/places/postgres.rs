//! Reads devices that may have a place, and their readings, from PostgreSQL.
//!
//! Short statements, one after the other, replace a single long one. So the times are known when a statement
//! is planned, and no other month's partition is touched (see [`query`]).

use super::{Candidate, Latest, Pairs, timestamp};
use crate::words::Database;
use ::postgres::Error;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// Readings of a series, the latest first: times in microseconds, and values.
pub(super) type Readings = Vec<(i64, f64)>;

/// A part of a series, in microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) series: i32,
    /// Inclusive.
    pub(super) since: i64,
    /// Exclusive.
    pub(super) before: i64,
}

/// Devices with both sensors, at most `most` of those after `last`. They are in order of
/// [`Candidate::bound`], the latest first, then of their names.
pub(super) async fn candidates(
    database: &Database,
    device: Option<&str>,
    tolerance: i64,
    last: Option<(i64, &str)>,
    most: usize,
) -> Result<Vec<Candidate>, Error> {
    let statement = "
        SELECT device, latitude.id, latitude.latest_timestamp, latitude.latest_value,
            longitude.id, longitude.latest_timestamp, longitude.latest_value
        FROM series latitude
        JOIN series longitude USING (device)
        CROSS JOIN LATERAL (
            SELECT least(
                greatest(latitude.latest_timestamp, longitude.latest_timestamp),
                least(latitude.latest_timestamp, longitude.latest_timestamp) + $5::int8 * interval '1 microsecond'
            ) AS bound
        ) AS latest
        WHERE latitude.sensor = 'location_latitude' AND latitude.latest_timestamp IS NOT NULL
            AND longitude.sensor = 'location_longitude' AND longitude.latest_timestamp IS NOT NULL
            AND ($1::text IS NULL OR device = $1)
            AND ($2::timestamptz IS NULL OR bound < $2 OR (bound = $2 AND device > $3))
        ORDER BY bound DESC, device
        LIMIT $4";
    let (bound, after) = (last.map(|(bound, _)| timestamp(bound)), last.map(|(_, device)| device));
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = database
        .query_planned(statement, &[&device, &bound, &after, &most, &tolerance])
        .await?;
    rows.iter().map(candidate).collect()
}

/// Those of these devices that have both sensors.
pub(super) async fn candidates_of(database: &Database, devices: &[&str]) -> Result<Vec<Candidate>, Error> {
    let statement = "
        SELECT device, latitude.id, latitude.latest_timestamp, latitude.latest_value,
            longitude.id, longitude.latest_timestamp, longitude.latest_value
        FROM series latitude
        JOIN series longitude USING (device)
        WHERE latitude.sensor = 'location_latitude' AND latitude.latest_timestamp IS NOT NULL
            AND longitude.sensor = 'location_longitude' AND longitude.latest_timestamp IS NOT NULL
            AND device = ANY($1::text[])";
    let rows = database.query_planned(statement, &[&devices]).await?;
    rows.iter().map(candidate).collect()
}

/// The series of coordinates of these devices, where they have both: device, latitudes, longitudes.
pub(super) async fn series(database: &Database, devices: &[&str]) -> Result<Vec<Pairs>, Error> {
    let statement = "
        SELECT device, latitude.id, longitude.id
        FROM series latitude
        JOIN series longitude USING (device)
        WHERE latitude.sensor = 'location_latitude' AND longitude.sensor = 'location_longitude'
            AND device = ANY($1::text[])";
    let rows = database.query_planned(statement, &[&devices]).await?;
    let pairs = |row: &Row| {
        Ok(Pairs {
            device: row.try_get(0)?,
            latitude: row.try_get(1)?,
            longitude: row.try_get(2)?,
        })
    };
    rows.iter().map(pairs).collect()
}

/// The latest readings in each of these windows, at most `most` of each.
pub(super) async fn pages(database: &Database, windows: &[Window], most: usize) -> Result<Vec<Readings>, Error> {
    let moments = |moment: fn(&Window) -> i64| -> Vec<Timestamp> {
        windows.iter().map(|window| timestamp(moment(window))).collect()
    };
    let series: Vec<i32> = windows.iter().map(|window| window.series).collect();
    let (since, before) = (moments(|window| window.since), moments(|window| window.before));
    let (Some(least), Some(greatest)) = (since.iter().min(), before.iter().max()) else {
        return Ok(Vec::new());
    };
    // The last two bounds follow from the two before, but are known when the plan is made. Arrays return many
    // readings in half the time of rows.
    let statement = format!(
        "SELECT times, readings
         FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY
             AS asked (series, since, before, place)
         CROSS JOIN LATERAL (
             SELECT array_agg(timestamp) AS times, array_agg(value) AS readings
             FROM (
                 SELECT timestamp, value FROM reading
                 WHERE series_id = series
                     AND timestamp >= since AND timestamp < before
                     AND timestamp >= $4 AND timestamp < $5
                 ORDER BY timestamp DESC LIMIT {most}
             ) AS latest
         ) AS page
         ORDER BY place"
    );
    let rows = database
        .query(
            &statement,
            &[
                (&series, Type::INT4_ARRAY),
                (&since, Type::TIMESTAMPTZ_ARRAY),
                (&before, Type::TIMESTAMPTZ_ARRAY),
                (least, Type::TIMESTAMPTZ),
                (greatest, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    let page = |row: &Row| {
        let times: Option<Vec<Timestamp>> = row.try_get(0)?;
        let values: Option<Vec<f64>> = row.try_get(1)?;
        let times = times.unwrap_or_default().into_iter().map(Timestamp::as_microsecond);
        Ok(times.zip(values.unwrap_or_default()).collect())
    };
    rows.iter().map(page).collect()
}

fn candidate(row: &Row) -> Result<Candidate, Error> {
    let latest = |at: usize| {
        let latest = Latest {
            series: row.try_get(at)?,
            time: row.try_get::<_, Timestamp>(at + 1)?.as_microsecond(),
            value: row.try_get(at + 2)?,
        };
        Ok::<_, Error>(latest)
    };
    Ok(Candidate {
        device: row.try_get(0)?,
        latitude: latest(1)?,
        longitude: latest(4)?,
    })
}
