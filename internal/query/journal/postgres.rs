//! Reads the readings beside entries from PostgreSQL.

use super::Reading;
use crate::words::{Database, Time, unit};
use ::postgres::Error;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// Of each of these devices and moments, the last reading of each sensor at or before it, no more than `reach`
/// (microseconds) before it: its number in `asked`, the sensor, the reading. At most `most`.
pub(super) async fn readings(
    database: &Database,
    asked: &[(&str, Timestamp)],
    reach: i64,
    most: usize,
) -> Result<Vec<(usize, String, Reading)>, Error> {
    let devices: Vec<&str> = asked.iter().map(|(device, _)| *device).collect();
    let until: Vec<Timestamp> = asked.iter().map(|(_, moment)| *moment).collect();
    let since: Vec<Timestamp> = until.iter().map(|moment| before(*moment, reach)).collect();
    let (Some(least), Some(greatest)) = (since.iter().min(), until.iter().max()) else {
        return Ok(Vec::new());
    };
    // The last two bounds follow from those before, but are known when the plan is made: no other month is touched.
    let statement = format!(
        "SELECT place, sensor, last.value, last.timestamp
         FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS asked (device, since, until, place)
         JOIN series USING (device)
         CROSS JOIN LATERAL (
             SELECT value, timestamp FROM reading
             WHERE series_id = series.id AND timestamp >= since AND timestamp <= until
                 AND timestamp >= $4 AND timestamp <= $5
             ORDER BY timestamp DESC LIMIT 1
         ) AS last
         LIMIT {most}"
    );
    let rows = database
        .query(
            &statement,
            &[
                (&devices, Type::TEXT_ARRAY),
                (&since, Type::TIMESTAMPTZ_ARRAY),
                (&until, Type::TIMESTAMPTZ_ARRAY),
                (least, Type::TIMESTAMPTZ),
                (greatest, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    let reading = |row: &Row| {
        let (place, sensor): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        let reading = Reading {
            value: row.try_get(2)?,
            unit: unit(&sensor),
            timestamp: Time(row.try_get(3)?),
        };
        Ok((usize::try_from(place - 1).unwrap_or(usize::MAX), sensor, reading))
    };
    rows.iter().map(reading).collect()
}

fn before(moment: Timestamp, reach: i64) -> Timestamp {
    Timestamp::from_microsecond(moment.as_microsecond().saturating_sub(reach)).unwrap_or(Timestamp::MIN)
}
