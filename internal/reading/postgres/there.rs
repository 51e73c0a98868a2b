//! Finds out which readings of a batch are there already.
//!
//! Late readings come in two kinds. Nearly all lie as densely in their span as what is there: a
//! file that is sent again, a gap that is filled. For them the span is read as it is, in the order
//! of the index, several times faster than looking up one identity after the other. A few are
//! spread thinly over much that is there; only those are looked up one by one.

use super::copy::Moment;
use crate::reading::Point;
use crate::reading::batch::Part;
use deadpool_postgres::Transaction;
use std::collections::VecDeque;
use tokio_postgres::Error;

/// Identities looked up in one statement.
const LOOKUP: usize = 20_000;

/// What is in `table` already at the moments of these parts, in order of time, for each part that
/// has any. There may be readings of other moments among it.
pub(super) async fn find(
    transaction: &Transaction<'_>,
    table: &str,
    parts: &[Part<'_>],
) -> Result<Vec<(usize, Vec<Point>)>, Error> {
    // Always by the primary key, whatever the planner thinks of a table it never analysed.
    transaction
        .batch_execute(
            "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
             SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off",
        )
        .await?;
    let mut found = Vec::new();
    let mut thin = Vec::new();
    for (at, there) in spans(transaction, table, parts).await? {
        if there.len() >= most(&parts[at]) {
            thin.push(at);
        } else {
            found.push((at, there));
        }
    }
    found.extend(one_by_one(transaction, table, parts, &thin).await?);
    Ok(found)
}

/// As many readings of a part's span are worth reading, beside its own.
fn most(part: &Part<'_>) -> usize {
    2 * part.points.len() + 8
}

/// What is between the first and the last reading of each part, in order of time, but no more than
/// is worth it.
async fn spans(
    transaction: &Transaction<'_>,
    table: &str,
    parts: &[Part<'_>],
) -> Result<Vec<(usize, Vec<Point>)>, Error> {
    let ids: Vec<i32> = parts.iter().map(|part| part.series).collect();
    let first: Vec<Moment> = parts.iter().map(|part| Moment(part.points[0].timestamp)).collect();
    let last: Vec<Moment> = parts
        .iter()
        .filter_map(|part| part.points.last())
        .map(|point| Moment(point.timestamp))
        .collect();
    let most: Vec<i64> = parts
        .iter()
        .map(|part| i64::try_from(most(part)).unwrap_or(i64::MAX))
        .collect();
    let statement = format!(
        "SELECT number - 1, moments, contents
         FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $4::int8[])
             WITH ORDINALITY AS wanted (id, first, last, most, number)
         CROSS JOIN LATERAL (
             SELECT array_agg(timestamp) AS moments, array_agg(value) AS contents FROM (
                 SELECT timestamp, value FROM {table}
                 WHERE series_id = id AND timestamp BETWEEN first AND last
                 ORDER BY timestamp LIMIT most
             ) AS inside
         ) AS there
         WHERE moments IS NOT NULL"
    );
    let rows = transaction.query(&statement, &[&ids, &first, &last, &most]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (moments, values): (Vec<Moment>, Vec<f64>) = (row.try_get(1)?, row.try_get(2)?);
        let points = moments.into_iter().zip(values);
        let points = points.map(|(Moment(timestamp), value)| Point { timestamp, value });
        found.push((index(row.try_get(0)?), points.collect()));
    }
    Ok(found)
}

/// The same for these parts, by the moments of their own readings.
async fn one_by_one(
    transaction: &Transaction<'_>,
    table: &str,
    parts: &[Part<'_>],
    thin: &[usize],
) -> Result<Vec<(usize, Vec<Point>)>, Error> {
    let statement = format!(
        "SELECT number - 1, value FROM unnest($1::int4[], $2::timestamptz[])
             WITH ORDINALITY AS wanted (series_id, timestamp, number)
         JOIN {table} AS there USING (series_id, timestamp) ORDER BY number"
    );
    let mut found: Vec<(usize, Vec<Point>)> = thin.iter().map(|at| (*at, Vec::new())).collect();
    let numbered = thin.iter().enumerate();
    let mut rest: VecDeque<(usize, Part<'_>)> = numbered.map(|(number, at)| (number, parts[*at])).collect();
    while !rest.is_empty() {
        let asked = take(&mut rest, LOOKUP);
        let ids: Vec<i32> = asked.iter().map(|(number, _)| parts[thin[*number]].series).collect();
        let moments: Vec<Moment> = asked.iter().map(|(_, timestamp)| Moment(*timestamp)).collect();
        for row in transaction.query(&statement, &[&ids, &moments]).await? {
            let (number, timestamp) = asked[index(row.try_get(0)?)];
            let value = row.try_get(1)?;
            found[number].1.push(Point { timestamp, value });
        }
    }
    Ok(found)
}

/// The next moments of these parts, so many at the most, each with the number of its part.
fn take(parts: &mut VecDeque<(usize, Part<'_>)>, most: usize) -> Vec<(usize, i64)> {
    let mut taken = Vec::new();
    while let Some((number, part)) = parts.front_mut() {
        let (now, later) = part.points.split_at(part.points.len().min(most - taken.len()));
        taken.extend(now.iter().map(|point| (*number, point.timestamp)));
        part.points = later;
        if !later.is_empty() {
            break;
        }
        parts.pop_front();
    }
    taken
}

fn index(number: i64) -> usize {
    usize::try_from(number).expect("ordinality counts from one, and the query subtracts one")
}
