//! The days that a transaction adds readings to: their versions, and the days of each device.

use ::postgres::Pool;
use deadpool_postgres::Transaction;
use reading::{Point, time};
use std::collections::BTreeSet;
use tokio_postgres::Error;

/// Days (since 1970) and devices that get readings, in order.
#[derive(Debug, Default)]
pub(super) struct Days<'a>(BTreeSet<(i64, &'a str)>);

impl<'a> Days<'a> {
    /// Adds the days of these readings of a device, which are in order of time.
    pub(super) fn note(&mut self, device: &'a str, mut points: &[Point]) {
        while let Some(first) = points.first() {
            let day = first.timestamp.div_euclid(time::DAY);
            self.0.insert((day, device));
            let inside = points.partition_point(|point| point.timestamp < (day + 1) * time::DAY);
            points = &points[inside..];
        }
    }

    /// Increments the versions of the days, in order, and notes the days of each device with them. Returns the
    /// version of `interest`; none without a day.
    ///
    /// Only a holder of a day's row writes that day's rows of devices, so these need no order of their own.
    pub(super) async fn count(&self, transaction: &Transaction<'_>) -> Result<Option<i64>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (days, devices): (Vec<i32>, Vec<&str>) = self
            .0
            .iter()
            .map(|(day, device)| (i32::try_from(*day).unwrap_or(i32::MAX), *device))
            .unzip();
        let count = "WITH counted AS (
                 INSERT INTO day (day, version)
                     SELECT DISTINCT date '1970-01-01' + number, 1 FROM unnest($1::int4[]) AS number ORDER BY 1
                 ON CONFLICT (day) DO UPDATE SET version = day.version + 1
                 RETURNING day, version
             )
             INSERT INTO device_day (device, day, version)
                 SELECT device, day, version FROM unnest($1::int4[], $2::text[]) AS noted (number, device)
                 JOIN counted ON day = date '1970-01-01' + number ORDER BY day, device
             ON CONFLICT (device, day) DO UPDATE SET version = excluded.version, xid = excluded.xid
             RETURNING (SELECT version FROM interest)";
        let count = transaction.prepare_cached(count).await?;
        let counted = transaction.query(&count, &[&days, &devices]).await?;
        counted.first().map(|row| row.try_get(0)).transpose()
    }
}

/// The first day (since 1970) that a device has readings of, and the time of its newest reading in microseconds since
/// 1970; none without readings.
///
/// # Errors
/// Where the database does not answer.
pub async fn span_of_device(pool: &Pool, device: &str) -> Result<Option<(i64, i64)>, ::postgres::Error> {
    let span = "SELECT (SELECT min(day) - date '1970-01-01' FROM device_day WHERE device = $1),
            (SELECT (extract(epoch FROM max(latest_timestamp)) * 1000000)::int8 FROM series WHERE device = $1)";
    let row = pool.get().await?.query_one(span, &[&device]).await?;
    let (first, newest): (Option<i32>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(first.map(i64::from).zip(newest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_each_device_are_noted_once() {
        let at = |day: i64, microsecond: i64| Point {
            timestamp: day * time::DAY + microsecond,
            value: 0.0,
        };
        let mut days = Days::default();
        days.note("lada", &[at(2, time::DAY - 1), at(3, 0), at(3, 1), at(7, 0)]);
        days.note("lada", &[at(2, 0)]);
        days.note("ada", &[at(3, 5)]);
        let found: Vec<(i64, &str)> = days.0.into_iter().collect();
        assert_eq!(found, [(2, "lada"), (3, "ada"), (3, "lada"), (7, "lada")]);
    }
}
