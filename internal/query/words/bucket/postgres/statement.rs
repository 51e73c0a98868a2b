//! The statements that compute functions of buckets.

use crate::words::bucket::function::Function;
use std::fmt::Write;

/// A way of reading; see the parent module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Seek,
    /// The width in microseconds where all buckets have one and are aligned to the Unix epoch.
    Sweep(Option<i64>),
}

/// The range of the numbers on the way to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    OfDoubles,
    /// Slower: decimal numbers, which have no range, and halves.
    Wider,
}

/// Selects every bucket's start and functions, null without readings. `$1` are the series, `$2` and `$3` the
/// span, `$4` where the buckets begin and `$5` where they end.
pub(super) fn statement(way: Way, functions: &[Function], range: Range) -> String {
    // Both ways also state the span: its ends are known when the plan is made, and exclude the other months'
    // partitions.
    let among = "timestamp >= $2 AND timestamp < $3";
    let mut columns = String::new();
    let mut gathered = Vec::new();
    let mut sources = String::new();
    for (place, function) in functions.iter().enumerate() {
        let aggregate = match function {
            Function::Avg => number("avg", range),
            Function::Sum => number("sum", range),
            Function::Stddev => number("stddev_samp", range),
            Function::P50 => percentile("0.5", range),
            Function::P95 => percentile("0.95", range),
            Function::Min => "min(value)".to_owned(),
            Function::Max => "max(value)".to_owned(),
            Function::Count => "nullif(count(*), 0)::float8".to_owned(),
            Function::First | Function::Last => {
                let order = if *function == Function::First { "ASC" } else { "DESC" };
                source(&mut sources, way, &format!("end{place}"), &end(way, order, among));
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
                 WHERE series_id = ANY ($1) AND timestamp >= start AND timestamp < before AND {among}"
            ),
            Way::Sweep(width) => format!(
                "SELECT {} AS start, {gathered} FROM reading
                 WHERE series_id = ANY ($1) AND {among} GROUP BY 1",
                start(width)
            ),
        };
        source(&mut sources, way, "gathered", &all);
    }
    format!(
        "SELECT start{columns} FROM unnest($4::timestamptz[], $5::timestamptz[]) AS bucket (start, before){sources}"
    )
}

/// An average, a sum or a deviation.
fn number(function: &str, range: Range) -> String {
    match range {
        Range::OfDoubles => format!("{function}(value)"),
        // Through text: the cast from a double keeps 15 digits only, and the cast back refuses numbers close to
        // zero and beyond the range.
        Range::Wider => {
            let number = format!("{function}(value::text::numeric)");
            format!(
                "CASE WHEN abs({number}) < 5e-324 THEN 0
                     WHEN abs({number}) > 1.7976931348623157e308 THEN NULL ELSE {number}::float8 END"
            )
        }
    }
}

/// The value that this share of the values is below, interpolated. The database sorts the values of one bucket at a
/// time, on disk if they are many.
fn percentile(share: &str, range: Range) -> String {
    let plain = format!("percentile_cont({share}) WITHIN GROUP (ORDER BY value)");
    match range {
        Range::OfDoubles => plain,
        // An infinity comes of two values whose distance is none that a double holds. The distance between their
        // halves is one. Values close to zero are neither of the two: their halves would be refused as too small.
        Range::Wider => format!(
            "CASE WHEN {plain} <> 'Infinity' THEN {plain}
                 ELSE 2 * percentile_cont({share}) WITHIN GROUP (
                     ORDER BY CASE WHEN abs(value) < 1e-300 THEN 0 ELSE value / 2 END
                 ) END"
        ),
    }
}

/// Joins the result of a statement to the buckets' starts.
fn source(sources: &mut String, way: Way, name: &str, statement: &str) {
    let _ = match way {
        Way::Seek => write!(sources, "\nLEFT JOIN LATERAL ({statement}) AS {name} ON true"),
        Way::Sweep(_) => write!(sources, "\nLEFT JOIN ({statement}) AS {name} USING (start)"),
    };
}

/// Where the bucket of a reading begins.
fn start(width: Option<i64>) -> String {
    match width {
        Some(width) => format!("date_bin(interval '{width} microseconds', timestamp, ($4::timestamptz[])[1])"),
        // `$4` is in order.
        None => "($4::timestamptz[])[width_bucket(timestamp, $4::timestamptz[])]".to_owned(),
    }
}

/// Selects the first value of a bucket, or the last one.
fn end(way: Way, order: &str, among: &str) -> String {
    match way {
        // At most one row of each series.
        Way::Seek => format!(
            "SELECT value
             FROM unnest($1) WITH ORDINALITY AS series (id, place)
             CROSS JOIN LATERAL (
                 SELECT timestamp, value FROM reading
                 WHERE series_id = id AND timestamp >= start AND timestamp < before AND {among}
                 ORDER BY timestamp {order} LIMIT 1
             ) AS one
             ORDER BY timestamp {order}, place LIMIT 1"
        ),
        Way::Sweep(width) => format!(
            "SELECT DISTINCT ON (start) {} AS start, value
             FROM reading JOIN series ON id = series_id
             WHERE series_id = ANY ($1) AND {among}
             ORDER BY start, timestamp {order}, device",
            start(width)
        ),
    }
}
