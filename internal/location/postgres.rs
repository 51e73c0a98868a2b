//! Finds the latest place in Postgres.
//!
//! Two short statements and not a single long one: the moments are known before the months are
//! looked at, so that no other month's partition is touched (see [`query`]).

use super::{Candidate, Latest, Location, in_question, pick};
use crate::api::{Database, query, query_series};
use ::postgres::Error;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// Candidates taken at first. The best one nearly always has a place.
const FIRST_PAGE: i64 = 16;

/// Candidates taken at once, however many have had none.
const LARGEST_PAGE: i64 = 4096;

/// No place is put together from readings farther apart, whatever the tolerance: earlier moments
/// than the database knows cannot be asked for.
const LONGEST_TOLERANCE: SignedDuration = SignedDuration::from_hours(24 * 365);

/// The place with the latest moment, of one device or of all; at equal moments that of the device
/// whose name is bytewise smaller.
pub(super) async fn latest(
    database: &Database,
    device: Option<&str>,
    tolerance: Duration,
) -> Result<Option<Location>, Error> {
    let tolerance =
        SignedDuration::try_from(tolerance).map_or(LONGEST_TOLERANCE, |tolerance| tolerance.min(LONGEST_TOLERANCE));
    let mut page = FIRST_PAGE;
    let mut last: Option<Candidate> = None;
    loop {
        let mut candidates = candidates(database, device, last.as_ref(), page).await?;
        let question = in_question(&candidates);
        let earlier = earlier(database, question, tolerance).await?;
        let location = pick(question, &earlier);
        last = candidates.pop();
        if location.is_some() || last.is_none() {
            return Ok(location);
        }
        page = (page * 16).min(LARGEST_PAGE);
    }
}

/// Devices with both sensors in order of preference, those after `last`.
async fn candidates(
    database: &Database,
    device: Option<&str>,
    last: Option<&Candidate>,
    page: i64,
) -> Result<Vec<Candidate>, Error> {
    let statement = "
        SELECT device, latitude.id, latitude.latest_timestamp, latitude.latest_value,
            longitude.id, longitude.latest_timestamp, longitude.latest_value
        FROM series latitude
        JOIN series longitude USING (device)
        CROSS JOIN LATERAL (SELECT least(latitude.latest_timestamp, longitude.latest_timestamp) AS moment) older
        WHERE latitude.sensor = 'location_latitude' AND latitude.latest_timestamp IS NOT NULL
            AND longitude.sensor = 'location_longitude' AND longitude.latest_timestamp IS NOT NULL
            AND ($1::text IS NULL OR device = $1)
            AND ($2::timestamptz IS NULL OR moment < $2 OR (moment = $2 AND device > $3))
        ORDER BY moment DESC, device
        LIMIT $4";
    let (moment, after) = (last.map(Candidate::moment), last.map(|last| &*last.device));
    let rows = query_series(database, statement, &[&device, &moment, &after, &page]).await?;
    let latest = |row: &Row, at: usize| {
        let latest = Latest {
            series: row.try_get(at)?,
            timestamp: row.try_get(at + 1)?,
            value: row.try_get(at + 2)?,
        };
        Ok::<_, Error>(latest)
    };
    let candidate = |row: &Row| {
        Ok(Candidate {
            device: row.try_get(0)?,
            latitude: latest(row, 1)?,
            longitude: latest(row, 4)?,
        })
    };
    rows.iter().map(candidate).collect()
}

/// For each series that is ahead: its last value at or before the candidate's moment, unless that
/// is older than the tolerance.
async fn earlier(
    database: &Database,
    candidates: &[Candidate],
    tolerance: SignedDuration,
) -> Result<HashMap<i32, f64>, Error> {
    let ahead = candidates
        .iter()
        .filter_map(|candidate| Some((candidate.ahead()?, candidate.moment())));
    let (series, moments): (Vec<i32>, Vec<Timestamp>) = ahead.unzip();
    let (Some(greatest), Some(least)) = (moments.iter().max(), moments.iter().min()) else {
        return Ok(HashMap::new());
    };
    // No reading is from before the calendar that would be left here.
    let oldest = |moment: &Timestamp| moment.checked_sub(tolerance).unwrap_or(*moment);
    let least = oldest(least);
    let oldest: Vec<Timestamp> = moments.iter().map(oldest).collect();
    // The last two bounds follow from the two before, but are known when the plan is made.
    let statement = "
        SELECT series, value
        FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS ahead (series, moment, oldest)
        CROSS JOIN LATERAL (
            SELECT value FROM reading
            WHERE series_id = series
                AND timestamp <= moment AND timestamp >= oldest
                AND timestamp <= $4 AND timestamp >= $5
            ORDER BY timestamp DESC LIMIT 1
        ) AS last";
    let rows = query(
        database,
        statement,
        &[
            (&series, Type::INT4_ARRAY),
            (&moments, Type::TIMESTAMPTZ_ARRAY),
            (&oldest, Type::TIMESTAMPTZ_ARRAY),
            (greatest, Type::TIMESTAMPTZ),
            (&least, Type::TIMESTAMPTZ),
        ],
    )
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
