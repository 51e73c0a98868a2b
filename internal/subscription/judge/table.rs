//! Readings of one device, as far as they were read from the table.

use super::window::Span;
use futures_util::TryStreamExt;
use reading::Point;
use std::collections::HashMap;
use std::pin::pin;
use store::Timestamptz as Instant;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Transaction};

/// Every time that a reading can have: the years 1 to 9999.
pub(super) const EVER: Span = Span {
    first: -62_135_596_800_000_000,
    last: 253_402_300_799_999_999,
};

/// The longest span that is read as arrays, in microseconds: 864,000 readings of a series that has 10 a second.
const SHORT: i64 = 24 * 3600 * 1_000_000;

/// Readings of one device by series, as one snapshot has them, each in order of time. It grows by what is asked for.
#[derive(Default)]
pub(crate) struct Table {
    series: HashMap<i32, Loaded>,
    /// Rows that were read.
    rows: u64,
}

struct Loaded {
    span: Span,
    points: Vec<Point>,
}

impl Table {
    /// Rows that were read so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Forgets all rows if there are more than these.
    pub(crate) fn limit(&mut self, most: usize) {
        if self.series.values().map(|loaded| loaded.points.len()).sum::<usize>() > most {
            self.series.clear();
        }
    }

    /// Reads what is missing of these series between these times.
    pub(super) async fn load(&mut self, from: &Transaction<'_>, series: &[i32], span: Span) -> Result<(), Error> {
        let span = Span {
            first: span.first.max(EVER.first),
            last: span.last.min(EVER.last),
        };
        // Series that lack the same span are read together.
        let mut missing: Vec<(Span, Vec<i32>)> = Vec::new();
        for id in series {
            for lack in self.lacks(*id, span) {
                match missing.iter_mut().find(|(span, _)| *span == lack) {
                    Some((_, series)) => series.push(*id),
                    None => missing.push((lack, vec![*id])),
                }
            }
        }
        for (span, series) in missing {
            let mut found = if span.last - span.first <= SHORT {
                arrays(from, &series, span).await?
            } else {
                rows(from, &series, span).await?
            };
            for id in series {
                let points = found.remove(&id).unwrap_or_default();
                self.rows += points.len() as u64;
                self.add(id, span, points);
            }
        }
        Ok(())
    }

    /// What is known of a series within a span.
    pub(super) fn points(&self, series: Option<i32>, span: Span) -> &[Point] {
        let Some(loaded) = series.and_then(|id| self.series.get(&id)) else {
            return &[];
        };
        let points = &loaded.points;
        let start = points.partition_point(|point| point.timestamp < span.first);
        let end = points.partition_point(|point| point.timestamp <= span.last);
        points.get(start..end).unwrap_or_default()
    }

    /// The time of a reading of these series before a time, if one was read.
    pub(super) fn before(&self, series: &[i32], time: i64) -> Option<i64> {
        let loaded = series.iter().filter_map(|id| self.series.get(id));
        let before = loaded.filter_map(|loaded| {
            let end = loaded.points.partition_point(|point| point.timestamp < time);
            loaded.points.get(end.checked_sub(1)?)
        });
        before.map(|point| point.timestamp).max()
    }

    /// Whether nothing is known of these series within a span.
    pub(super) fn is_empty(&self, series: &[i32], span: Span) -> bool {
        series.iter().all(|id| self.points(Some(*id), span).is_empty())
    }

    /// The spans that are missing before and after what is there.
    fn lacks(&self, series: i32, span: Span) -> Vec<Span> {
        let Some(loaded) = self.series.get(&series) else {
            return vec![span];
        };
        let there = loaded.span;
        if span.last < there.first.saturating_sub(1) || span.first > there.last.saturating_add(1) {
            // Apart from what is there, which goes.
            return vec![span];
        }
        let before = Span {
            first: span.first,
            last: there.first - 1,
        };
        let after = Span {
            first: there.last + 1,
            last: span.last,
        };
        [before, after]
            .into_iter()
            .filter(|lack| lack.first <= lack.last)
            .collect()
    }

    fn add(&mut self, series: i32, span: Span, points: Vec<Point>) {
        match self.series.get_mut(&series) {
            Some(loaded) if span.last + 1 == loaded.span.first => {
                loaded.points.splice(0..0, points);
                loaded.span.first = span.first;
            }
            Some(loaded) if loaded.span.last + 1 == span.first => {
                loaded.points.extend(points);
                loaded.span.last = span.last;
            }
            _ => {
                self.series.insert(series, Loaded { span, points });
            }
        }
    }
}

/// The readings of these series in a short span, each series in order of time. An array a series: rows one by one take
/// both sides twice as long.
async fn arrays(from: &Transaction<'_>, series: &[i32], span: Span) -> Result<HashMap<i32, Vec<Point>>, Error> {
    let select = "SELECT id, timestamps, values FROM unnest($1) AS id, LATERAL
            (SELECT array_agg(timestamp), array_agg(value) FROM
                (SELECT timestamp, value FROM reading WHERE series_id = id AND timestamp BETWEEN $2 AND $3 ORDER BY timestamp)
                AS point) AS found (timestamps, values)
        WHERE timestamps IS NOT NULL";
    let (first, last) = (Instant(span.first), Instant(span.last));
    let mut rows = pin!(from.query_typed_raw(select, parameters(&series, &first, &last)).await?);
    let mut found = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let timestamps: Vec<Instant> = row.try_get(1)?;
        let values: Vec<f64> = row.try_get(2)?;
        let points = timestamps.into_iter().zip(values);
        let mut points: Vec<Point> = points
            .map(|(Instant(timestamp), value)| Point { timestamp, value })
            .collect();
        // They are: PostgreSQL gathers in the order of the rows, though SQL does not say so.
        points.sort_by_key(|point| point.timestamp);
        found.insert(row.try_get(0)?, points);
    }
    Ok(found)
}

/// As [`arrays`], row by row: an array of a year would not fit into the server's memory.
async fn rows(from: &Transaction<'_>, series: &[i32], span: Span) -> Result<HashMap<i32, Vec<Point>>, Error> {
    let select = "SELECT series_id, timestamp, value FROM reading
        WHERE series_id = ANY($1) AND timestamp BETWEEN $2 AND $3 ORDER BY series_id, timestamp";
    let (first, last) = (Instant(span.first), Instant(span.last));
    let mut rows = pin!(from.query_typed_raw(select, parameters(&series, &first, &last)).await?);
    let mut found: HashMap<i32, Vec<Point>> = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let Instant(timestamp) = row.try_get(1)?;
        let value = row.try_get(2)?;
        found
            .entry(row.try_get(0)?)
            .or_default()
            .push(Point { timestamp, value });
    }
    Ok(found)
}

fn parameters<'a>(
    series: &'a (impl ToSql + Sync),
    first: &'a Instant,
    last: &'a Instant,
) -> [(&'a (dyn ToSql + Sync), Type); 3] {
    [
        (series, Type::INT4_ARRAY),
        (first, Type::TIMESTAMPTZ),
        (last, Type::TIMESTAMPTZ),
    ]
}

/// The time of the nearest reading of these series before, or after, a time.
pub(super) async fn nearest(
    from: &Transaction<'_>,
    series: &[i32],
    time: i64,
    before: bool,
) -> Result<Option<i64>, Error> {
    let (comparison, order, nearest) = if before {
        ("<", "DESC", "max")
    } else {
        (">", "ASC", "min")
    };
    let select = format!(
        "SELECT {nearest}(timestamp) FROM unnest($1::int4[]) AS id, LATERAL
            (SELECT timestamp FROM reading WHERE series_id = id AND timestamp {comparison} $2
             ORDER BY timestamp {order} LIMIT 1) AS found"
    );
    let time = Instant(time.clamp(EVER.first, EVER.last));
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&series, Type::INT4_ARRAY), (&time, Type::TIMESTAMPTZ)];
    let rows = from.query_typed(&select, &parameters).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(row.try_get::<_, Option<Instant>>(0)?.map(|Instant(time)| time))
}
