//! Reads buckets of raw readings from PostgreSQL, in one of two ways.
//!
//! **Seek**: each bucket is a range of the primary key. No row is assigned to a bucket and nothing is hashed.
//! It reads no other rows, even while the planner does not know the tables yet. It costs a descent of the
//! index for each bucket and series, even an empty one: as much as some 50 rows.
//!
//! **Sweep**: one pass over the span, grouped. Its cost depends on the rows, not on the buckets and series.
//!
//! docs/decisions/0028-buckets-are-ranges-of-the-index.md has the figures.

mod statement;

use self::statement::{Range, Way, statement};
use super::buckets::{Buckets, timestamp};
use super::function::{Column, Function};
use crate::words::Database;
use crate::words::reach::{BEGINNING, Reach};
use ::postgres::Error;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

/// Buckets narrower than this are swept, in microseconds. A sensor reads about once a second.
const NARROW: i64 = 60_000_000;

/// Above this many descents of the index, buckets are swept: with many series most buckets are empty.
const MAX_DESCENTS: usize = 20_000;

/// A sensor's series, of one device or of all, in order of device.
///
/// A query of its own, not a part of another statement. With the series given, the planner finds the way, and
/// no join stands between the rows and their sums. That halves the time.
pub(crate) async fn series(database: &Database, sensor: &str, device: Option<&str>) -> Result<Vec<i32>, Error> {
    let statement = "
        SELECT id FROM series WHERE sensor = $1 AND ($2::text IS NULL OR device = $2) ORDER BY device";
    let rows = database
        .query(statement, &[(&sensor, Type::TEXT), (&device, Type::TEXT)])
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// A series with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) sensor: String,
    pub(crate) device: String,
    pub(crate) id: i32,
}

/// The series of these sensors, of one device or of all, in order of sensor and device; at most `most`.
pub(crate) async fn named(
    database: &Database,
    sensors: &[&str],
    device: Option<&str>,
    most: usize,
) -> Result<Vec<Named>, Error> {
    let statement = format!(
        "SELECT sensor, device, id FROM series
         WHERE sensor = ANY ($1) AND ($2::text IS NULL OR device = $2)
         ORDER BY sensor, device LIMIT {most}"
    );
    let rows = database
        .query(&statement, &[(&sensors, Type::TEXT_ARRAY), (&device, Type::TEXT)])
        .await?;
    let named = |row: &Row| {
        Ok(Named {
            sensor: row.try_get(0)?,
            device: row.try_get(1)?,
            id: row.try_get(2)?,
        })
    };
    rows.iter().map(named).collect()
}

/// The readings of these series in a span, in order of time, then of the series; none if they are more than `most`.
///
/// It reads no more than one reading above `most`, and each series in the order of the index.
pub(crate) async fn readings(
    database: &Database,
    series: &[i32],
    (from, to): (Timestamp, Timestamp),
    most: usize,
) -> Result<Option<Vec<(Timestamp, f64)>>, Error> {
    if series.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let limit = most.saturating_add(1);
    let statement = format!(
        "SELECT timestamp, place, value
         FROM unnest($1::int[]) WITH ORDINALITY AS series (id, place)
         CROSS JOIN LATERAL (
             SELECT timestamp, value FROM reading
             WHERE series_id = id AND timestamp >= $2 AND timestamp < $3
             ORDER BY timestamp LIMIT {limit}
         ) AS one
         LIMIT {limit}"
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&series, Type::INT4_ARRAY),
        (&from, Type::TIMESTAMPTZ),
        (&to, Type::TIMESTAMPTZ),
    ];
    let rows = database.query(&statement, &parameters).await?;
    if rows.len() > most {
        return Ok(None);
    }
    let reading = |row: &Row| {
        let (time, place, value): (Timestamp, i64, f64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok::<_, Error>((time, place, value))
    };
    let readings: Result<Vec<_>, Error> = rows.iter().map(reading).collect();
    let mut readings = readings?;
    readings.sort_by_key(|(time, place, _)| (*time, *place));
    Ok(Some(
        readings.into_iter().map(|(time, _, value)| (time, value)).collect(),
    ))
}

/// The value of the last reading of these series before a moment; at equal times, of the first series.
pub(super) async fn last_before(database: &Database, series: &[i32], mut before: i64) -> Result<Option<f64>, Error> {
    let statement = "
        SELECT value
        FROM unnest($1::int[]) WITH ORDINALITY AS series (id, place)
        CROSS JOIN LATERAL (
            SELECT timestamp, value FROM reading
            WHERE series_id = id AND timestamp >= $2 AND timestamp < $3
            ORDER BY timestamp DESC LIMIT 1
        ) AS one
        ORDER BY timestamp DESC, place LIMIT 1";
    let mut reach = Reach::default();
    while before > BEGINNING && !series.is_empty() {
        let since = reach.since(before);
        let (from, to) = (timestamp(since), timestamp(before));
        let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
            (&series, Type::INT4_ARRAY),
            (&from, Type::TIMESTAMPTZ),
            (&to, Type::TIMESTAMPTZ),
        ];
        if let Some(row) = database.query(statement, &parameters).await?.first() {
            return Ok(Some(row.try_get(0)?));
        }
        before = since;
        reach.widen();
    }
    Ok(None)
}

/// Computes these functions of the readings of these series in each bucket. Returns a column for each
/// function, in their order.
pub(super) async fn aggregates(
    database: &Database,
    series: &[i32],
    buckets: &Buckets,
    functions: &[Function],
) -> Result<Vec<Column>, Error> {
    let question = Question {
        database,
        series,
        functions,
    };
    let mut columns = vec![vec![None; buckets.len()]; functions.len()];
    if series.is_empty() {
        return Ok(columns);
    }
    // A backend uses one core, so two connections use two. Still only one statement sees each bucket.
    let (earlier, later) = buckets.clone().halves();
    let (earlier, later) = tokio::try_join!(question.ask(&earlier), async {
        match &later {
            Some(later) => question.ask(later).await,
            None => Ok(Vec::new()),
        }
    })?;
    for (start, values) in earlier.into_iter().chain(later) {
        let Some(number) = buckets.number(start) else { continue };
        for (column, value) in columns.iter_mut().zip(values) {
            if let Some(place) = column.get_mut(number) {
                *place = value;
            }
        }
    }
    Ok(columns)
}

struct Question<'a> {
    database: &'a Database,
    /// In order of device.
    series: &'a [i32],
    functions: &'a [Function],
}

/// Where a bucket begins, and the value of each function.
type Told = (Timestamp, Vec<Option<f64>>);

impl Question<'_> {
    async fn ask(&self, buckets: &Buckets) -> Result<Vec<Told>, Error> {
        match self.ask_in(Range::OfDoubles, buckets).await {
            // The sums on the way to an average can exceed the range of a double, although the average never
            // does.
            Err(Error::Refused(error)) if error.code() == Some(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE) => {
                self.ask_in(Range::Wider, buckets).await
            }
            // So can the distance between two values, on the way to a percentile. The database does not check it.
            Ok(told) if is_beyond(&told) => self.ask_in(Range::Wider, buckets).await,
            answer => answer,
        }
    }

    async fn ask_in(&self, range: Range, buckets: &Buckets) -> Result<Vec<Told>, Error> {
        let descents = self.series.len().saturating_mul(buckets.len());
        let way = if buckets.width.is_some_and(|width| width < NARROW) || descents > MAX_DESCENTS {
            Way::Sweep(buckets.width)
        } else {
            Way::Seek
        };
        let statement = statement(way, self.functions, range);
        let (from, to) = (timestamp(buckets.from), timestamp(buckets.to));
        let (starts, ends): (Vec<Timestamp>, Vec<Timestamp>) = (buckets.starts().collect(), buckets.ends().collect());
        let rows = self
            .database
            .query(
                &statement,
                &[
                    (&self.series, Type::INT4_ARRAY),
                    (&from, Type::TIMESTAMPTZ),
                    (&to, Type::TIMESTAMPTZ),
                    (&starts, Type::TIMESTAMPTZ_ARRAY),
                    (&ends, Type::TIMESTAMPTZ_ARRAY),
                ],
            )
            .await?;
        let told = rows.iter().map(|row| {
            let values: Result<_, _> = (1..row.len()).map(|at| row.try_get(at)).collect();
            Ok((row.try_get(0)?, values?))
        });
        told.collect()
    }
}

/// Whether a value is an infinity.
fn is_beyond(told: &[Told]) -> bool {
    let mut values = told.iter().flat_map(|(_, values)| values).flatten();
    values.any(|value| value.is_infinite())
}
