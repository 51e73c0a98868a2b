//! Finds out which readings of a batch are stored already.
//!
//! Late readings come in two kinds. Nearly all are as dense in their span as the stored readings: a file that
//! is sent again, or a gap that is filled. For them the whole span is read in the order of the index, several
//! times faster than looking up each identity. A few are spread thinly over many stored readings; only those
//! are looked up one by one.

use super::copy::Timestamptz;
use super::counts::Stored;
use super::ordinality::index;
use crate::batch::Part;
use deadpool_postgres::Transaction;
use futures_util::TryStreamExt;
use reading::Point;
use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::pin;
use tokio_postgres::Error;
use tokio_postgres::types::{ToSql, Type};

/// Readings of a series that one piece looks for.
const PIECE: usize = 8_192;

/// Readings that one statement may find, unless it looks for one piece: results take memory.
const FOUND: usize = 32_768;

/// Returns the readings of a month's parts that `table` does not hold yet, by series. Counts the stored ones,
/// and keeps them in `there` if given. Looks only for late parts.
pub(super) async fn fresh<'a>(
    transaction: &Transaction<'_>,
    table: &str,
    parts: &[Part<'a>],
    is_late: impl Fn(&Part<'_>) -> bool,
    outcome: &mut Stored,
    there: &mut Option<HashMap<i32, Vec<Point>>>,
) -> Result<Vec<(i32, Cow<'a, [Point]>)>, Error> {
    let mut fresh: Vec<(i32, Cow<'a, [Point]>)> = parts
        .iter()
        .map(|part| (part.series, Cow::Borrowed(part.points)))
        .collect();
    let late: Vec<usize> = (0..parts.len()).filter(|at| is_late(&parts[*at])).collect();
    if late.is_empty() {
        return Ok(fresh);
    }
    let asked: Vec<Part<'a>> = late.iter().map(|at| parts[*at]).collect();
    let mut new: Vec<Vec<Point>> = asked.iter().map(|part| Vec::with_capacity(part.points.len())).collect();
    let fold = |at: usize, points: &[Point], found: Vec<Point>| {
        let mut found = found.into_iter().peekable();
        for point in points {
            while found.next_if(|there| there.timestamp < point.timestamp).is_some() {}
            let Some(before) = found.next_if(|there| there.timestamp == point.timestamp) else {
                new[at].push(*point);
                continue;
            };
            if before.value == point.value {
                outcome.duplicates += 1;
            } else {
                outcome.conflicts += 1;
            }
            if let Some(there) = there {
                there.entry(asked[at].series).or_default().push(before);
            }
        }
    };
    find(transaction, table, &asked, fold).await?;
    for (at, points) in late.into_iter().zip(new) {
        fresh[at].1 = Cow::Owned(points);
    }
    Ok(fresh)
}

/// Calls `each` with every part, piece by piece in order of time. It passes the part's index and the readings
/// in `table` at the piece's timestamps, in order of time. Readings of other timestamps may be among them.
async fn find<'a>(
    transaction: &Transaction<'_>,
    table: &str,
    parts: &[Part<'a>],
    mut each: impl FnMut(usize, &'a [Point], Vec<Point>),
) -> Result<(), Error> {
    // Forces the primary key, also on a table that the planner never analysed.
    transaction
        .batch_execute(
            "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
             SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off",
        )
        .await?;
    let (mut places, mut pieces) = (Vec::new(), Vec::new());
    for (place, part) in parts.iter().enumerate() {
        for points in part.points.chunks(PIECE) {
            places.push(place);
            pieces.push(Part { points, ..*part });
        }
    }
    let (mut places, mut rest) = (places.into_iter(), &pieces[..]);
    while !rest.is_empty() {
        let (group, later) = rest.split_at(fitting(rest));
        rest = later;
        let mut found = spans(transaction, table, group).await?;
        let thin: Vec<usize> = (0..group.len())
            .filter(|at| found[*at].len() >= most(&group[*at]))
            .collect();
        one_by_one(transaction, table, group, &thin, &mut found).await?;
        for ((piece, found), place) in group.iter().zip(found).zip(&mut places) {
            each(place, piece.points, found);
        }
    }
    Ok(())
}

/// How many readings of a piece's span are worth reading, its own included.
fn most(piece: &Part<'_>) -> usize {
    2 * piece.points.len() + 8
}

/// How many of these pieces fit one statement.
fn fitting(pieces: &[Part<'_>]) -> usize {
    let mut found = 0;
    let fitting = pieces.iter().take_while(|piece| {
        found += most(piece);
        found <= FOUND
    });
    fitting.count().max(1)
}

/// Reads the span of each piece, in order of time, up to as many readings as are worth it. A span is from its
/// first to its last reading.
async fn spans(transaction: &Transaction<'_>, table: &str, pieces: &[Part<'_>]) -> Result<Vec<Vec<Point>>, Error> {
    let ids: Vec<i32> = pieces.iter().map(|piece| piece.series).collect();
    let first: Vec<Timestamptz> = pieces
        .iter()
        .map(|piece| Timestamptz(piece.points[0].timestamp))
        .collect();
    let last: Vec<Timestamptz> = pieces
        .iter()
        .filter_map(|piece| piece.points.last())
        .map(|point| Timestamptz(point.timestamp))
        .collect();
    let most: Vec<i64> = pieces
        .iter()
        .map(|piece| i64::try_from(most(piece)).unwrap_or(i64::MAX))
        .collect();
    let statement = format!(
        "SELECT number - 1, moments, contents
         FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS wanted (id, first, last, most, number)
         CROSS JOIN LATERAL (
             SELECT array_agg(timestamp) AS moments, array_agg(value) AS contents FROM (
                 SELECT timestamp, value FROM {table}
                 WHERE series_id = id AND timestamp BETWEEN first AND last
                 ORDER BY timestamp LIMIT most
             ) AS inside
         ) AS there
         WHERE moments IS NOT NULL"
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&ids, Type::INT4_ARRAY),
        (&first, Type::TIMESTAMPTZ_ARRAY),
        (&last, Type::TIMESTAMPTZ_ARRAY),
        (&most, Type::INT8_ARRAY),
    ];
    let mut found = vec![Vec::new(); pieces.len()];
    let mut rows = pin!(transaction.query_typed_raw(&statement, parameters).await?);
    while let Some(row) = rows.try_next().await? {
        let (moments, values): (Vec<Timestamptz>, Vec<f64>) = (row.try_get(1)?, row.try_get(2)?);
        let points = moments.into_iter().zip(values);
        let points = points.map(|(Timestamptz(timestamp), value)| Point { timestamp, value });
        found[index(row.try_get(0)?)] = points.collect();
    }
    Ok(found)
}

/// Reads some of these pieces by the timestamps of their own readings.
async fn one_by_one(
    transaction: &Transaction<'_>,
    table: &str,
    pieces: &[Part<'_>],
    thin: &[usize],
    found: &mut [Vec<Point>],
) -> Result<(), Error> {
    if thin.is_empty() {
        return Ok(());
    }
    let statement = format!(
        "SELECT number - 1, value FROM unnest($1, $2) WITH ORDINALITY AS wanted (series_id, timestamp, number)
         JOIN {table} AS there USING (series_id, timestamp) ORDER BY number"
    );
    let mut asked: Vec<(usize, i64)> = Vec::new();
    for at in thin {
        found[*at].clear();
        asked.extend(pieces[*at].points.iter().map(|point| (*at, point.timestamp)));
    }
    let ids: Vec<i32> = asked.iter().map(|(at, _)| pieces[*at].series).collect();
    let moments: Vec<Timestamptz> = asked.iter().map(|(_, timestamp)| Timestamptz(*timestamp)).collect();
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&ids, Type::INT4_ARRAY), (&moments, Type::TIMESTAMPTZ_ARRAY)];
    let mut rows = pin!(transaction.query_typed_raw(&statement, parameters).await?);
    while let Some(row) = rows.try_next().await? {
        let (at, timestamp) = asked[index(row.try_get(0)?)];
        let value = row.try_get(1)?;
        found[at].push(Point { timestamp, value });
    }
    Ok(())
}
