//! Reads buckets of raw readings from PostgreSQL, in one of two ways.
//!
//! **Seek**: each bucket is a range of the primary key. No row is assigned to a bucket and nothing is hashed.
//! It reads no other rows, even while the planner does not know the tables yet. It costs a descent of the
//! index for each bucket and series, even an empty one: as much as some 50 rows.
//!
//! **Sweep**: one pass over the span, grouped. Its cost depends on the rows, not on the buckets and series.
//!
//! docs/decisions/0028-buckets-are-ranges-of-the-index.md has the figures.

use super::buckets::{Buckets, timestamp};
use super::function::{Column, Function};
use crate::words::Database;
use crate::words::reach::{BEGINNING, Reach};
use ::postgres::Error;
use jiff::Timestamp;
use std::fmt::Write;
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
pub(super) async fn series(database: &Database, sensor: &str, device: Option<&str>) -> Result<Vec<i32>, Error> {
    let statement = "
        SELECT id FROM series WHERE sensor = $1 AND ($2::text IS NULL OR device = $2) ORDER BY device";
    let rows = database
        .query(statement, &[(&sensor, Type::TEXT), (&device, Type::TEXT)])
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
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
    buckets: Buckets,
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
    let (earlier, later) = buckets.halves();
    let (earlier, later) = tokio::try_join!(question.ask(earlier), async {
        match later {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Seek,
    Sweep,
}

impl Question<'_> {
    async fn ask(&self, buckets: Buckets) -> Result<Vec<Told>, Error> {
        match self.ask_by("avg(value)", buckets).await {
            // The sums on the way to an average can exceed the range of a double, although the average never
            // does. Decimal numbers are slower, but have no range. They go through text: the cast from a
            // double keeps 15 digits only, and the cast back refuses numbers close to zero.
            Err(Error::Refused(error)) if error.code() == Some(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE) => {
                let average = "avg(value::text::numeric)";
                let average = format!("CASE WHEN abs({average}) < 5e-324 THEN 0 ELSE {average}::float8 END");
                self.ask_by(&average, buckets).await
            }
            answer => answer,
        }
    }

    async fn ask_by(&self, average: &str, buckets: Buckets) -> Result<Vec<Told>, Error> {
        let way = if buckets.width < NARROW || self.series.len().saturating_mul(buckets.len()) > MAX_DESCENTS {
            Way::Sweep
        } else {
            Way::Seek
        };
        let statement = statement(way, self.functions, average, buckets.width);
        let (from, to) = (timestamp(buckets.from), timestamp(buckets.to));
        let rows = self
            .database
            .query(
                &statement,
                &[
                    (&self.series, Type::INT4_ARRAY),
                    (&from, Type::TIMESTAMPTZ),
                    (&to, Type::TIMESTAMPTZ),
                    (&timestamp(buckets.first()), Type::TIMESTAMPTZ),
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

/// Selects every bucket's start and functions, null without readings. `$1` are the series, `$2` and `$3` the
/// span, `$4` is where the first bucket begins.
fn statement(way: Way, functions: &[Function], average: &str, width: i64) -> String {
    let width = format!("interval '{width} microseconds'");
    // Both ways also state the span: its ends are known when the plan is made, and exclude the other months'
    // partitions.
    let among = "timestamp >= $2 AND timestamp < $3";
    let mut columns = String::new();
    let mut gathered = Vec::new();
    let mut sources = String::new();
    for (place, function) in functions.iter().enumerate() {
        let aggregate = match function {
            Function::Avg => average,
            Function::Min => "min(value)",
            Function::Max => "max(value)",
            Function::Count => "nullif(count(*), 0)::float8",
            Function::First | Function::Last => {
                let order = if *function == Function::First { "ASC" } else { "DESC" };
                source(
                    &mut sources,
                    way,
                    &format!("end{place}"),
                    &end(way, order, among, &width),
                );
                let _ = write!(columns, ", end{place}.value");
                continue;
            }
        };
        gathered.push(format!("{aggregate} AS f{place}"));
        let _ = write!(columns, ", gathered.f{place}");
    }
    if !gathered.is_empty() {
        let gathered = gathered.join(", ");
        let all = match way {
            Way::Seek => format!(
                "SELECT {gathered} FROM reading
                 WHERE series_id = ANY ($1) AND timestamp >= start AND timestamp < start + {width} AND {among}"
            ),
            Way::Sweep => format!(
                "SELECT date_bin({width}, timestamp, $4) AS start, {gathered} FROM reading
                 WHERE series_id = ANY ($1) AND {among} GROUP BY 1"
            ),
        };
        source(&mut sources, way, "gathered", &all);
    }
    format!(
        "SELECT start{columns}
         FROM generate_series($4::timestamptz, $3 - interval '1 microsecond', {width}) AS start{sources}"
    )
}

/// Joins the result of a statement to the buckets' starts.
fn source(sources: &mut String, way: Way, name: &str, statement: &str) {
    let _ = match way {
        Way::Seek => write!(sources, "\nLEFT JOIN LATERAL ({statement}) AS {name} ON true"),
        Way::Sweep => write!(sources, "\nLEFT JOIN ({statement}) AS {name} USING (start)"),
    };
}

/// Selects the first value of a bucket, or the last one.
fn end(way: Way, order: &str, among: &str, width: &str) -> String {
    match way {
        // At most one row of each series.
        Way::Seek => format!(
            "SELECT value
             FROM unnest($1) WITH ORDINALITY AS series (id, place)
             CROSS JOIN LATERAL (
                 SELECT timestamp, value FROM reading
                 WHERE series_id = id AND timestamp >= start AND timestamp < start + {width} AND {among}
                 ORDER BY timestamp {order} LIMIT 1
             ) AS one
             ORDER BY timestamp {order}, place LIMIT 1"
        ),
        Way::Sweep => format!(
            "SELECT DISTINCT ON (start) date_bin({width}, timestamp, $4) AS start, value
             FROM reading JOIN series ON id = series_id
             WHERE series_id = ANY ($1) AND {among}
             ORDER BY start, timestamp {order}, device"
        ),
    }
}
