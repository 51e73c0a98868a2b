//! Trends: a sensor's raw readings in buckets of time, and functions of each bucket.
//!
//! Deliberately not here: how buckets are aligned, filled and read. That is `words::bucket`, which the
//! averages of a day share.

mod http;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::words::Time;
use crate::words::bucket::{Buckets, Column, Fill, Function};
use jiff::{Span, SpanRelativeTo, Timestamp};
use reading::time::SECOND;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

/// Most buckets of an answer, with those that are left out. Bounds its memory.
const MOST_BUCKETS: usize = 10_000;

/// The widest bucket in microseconds: a hundred years.
const WIDEST: i64 = 36_500 * 86_400 * SECOND;

/// `GET /api/trends`: the readings of a sensor in buckets of time.
#[derive(Debug, Serialize)]
struct Trend<'a> {
    sensor: &'a str,
    /// The device of the readings; null: all devices.
    device: Option<&'a str>,
    /// The beginning of the span.
    from: Time,
    /// The end of the span, exclusive.
    to: Time,
    /// The width of the buckets, as in the request.
    aggregation: &'a str,
    /// In order of time.
    buckets: Vec<Bucket>,
}

/// The values of the requested functions in a bucket, each a member of its name.
#[derive(Clone, Debug, PartialEq)]
struct Bucket {
    /// Where the bucket begins, aligned to the Unix epoch. The first bucket may begin before `from`, and
    /// holds only the readings since then.
    timestamp: Time,
    /// In the sensor's unit, except the count. Null without readings, unless filled.
    values: Vec<(Function, Option<f64>)>,
}

impl Serialize for Bucket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bucket = serializer.serialize_map(Some(1 + self.values.len()))?;
        bucket.serialize_entry("timestamp", &self.timestamp)?;
        for (function, value) in &self.values {
            match (function, value) {
                #[expect(clippy::cast_possible_truncation, reason = "rows are counted in whole numbers")]
                (Function::Count, Some(count)) => bucket.serialize_entry(name(*function), &(*count as i64))?,
                _ => bucket.serialize_entry(name(*function), value)?,
            }
        }
        bucket.end()
    }
}

/// The functions by their names in requests and answers.
const FUNCTIONS: [(&str, Function); 6] = [
    ("avg", Function::Avg),
    ("min", Function::Min),
    ("max", Function::Max),
    ("count", Function::Count),
    ("first", Function::First),
    ("last", Function::Last),
];

fn name(function: Function) -> &'static str {
    let named = FUNCTIONS.iter().find(|(_, named)| *named == function);
    named.map_or("", |(name, _)| name)
}

/// Functions in a request: `avg,max`, each at most once.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Functions(Vec<Function>);

impl Default for Functions {
    fn default() -> Self {
        Self(vec![Function::Avg])
    }
}

impl TryFrom<String> for Functions {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut functions = Vec::new();
        for asked in text.split(',') {
            let named = FUNCTIONS.iter().find(|(name, _)| *name == asked);
            let function = named.map(|(_, function)| *function);
            match function.filter(|function| !functions.contains(function)) {
                Some(function) => functions.push(function),
                None => return Err("write some of avg, min, max, count, first and last, each once, with commas"),
            }
        }
        Ok(Self(functions))
    }
}

/// The width of buckets: a span of time such as `30s`, `15m`, `1h` or `1d`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Width {
    text: String,
    microseconds: i64,
}

impl Default for Width {
    fn default() -> Self {
        Self {
            text: "15m".to_owned(),
            microseconds: 15 * 60 * SECOND,
        }
    }
}

impl TryFrom<String> for Width {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const HELP: &str = "write a span of time such as 30s, 15m, 1h or 1d, from 1s to 36500d";
        let span: Span = text.parse().map_err(|_| HELP)?;
        // All in UTC: days have 24 hours.
        let duration = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| HELP)?;
        let microseconds = i64::try_from(duration.as_micros()).map_err(|_| HELP)?;
        if !(SECOND..=WIDEST).contains(&microseconds) {
            return Err(HELP);
        }
        if duration.subsec_nanos() % 1000 != 0 {
            return Err("readings have microseconds: write a span of whole ones, such as 1500ms");
        }
        Ok(Self { text, microseconds })
    }
}

/// The buckets of a span; an error where the span is empty or they are too many.
fn buckets(from: Timestamp, to: Timestamp, width: &Width) -> Result<Buckets, String> {
    if from >= to {
        return Err("from is not before to: swap them, or ask for a longer span".to_owned());
    }
    let buckets = Buckets::new(from, to, width.microseconds);
    if buckets.len() > MOST_BUCKETS {
        return Err(format!(
            "{} buckets are more than the {MOST_BUCKETS} of one answer: ask for a wider aggregation or a shorter span",
            buckets.len()
        ));
    }
    Ok(buckets)
}

/// The values of each bucket, filled; with [`Fill::None`], only of those with readings.
fn told(buckets: Buckets, functions: &[Function], columns: Vec<Column>, fill: Fill) -> Vec<Bucket> {
    let columns = functions.iter().zip(columns);
    let mut columns: Vec<_> = columns
        .map(|(function, column)| (*function, column.into_iter()))
        .collect();
    let bucket = |start| Bucket {
        timestamp: Time(start),
        values: columns
            .iter_mut()
            .map(|(function, column)| (*function, column.next().flatten()))
            .collect(),
    };
    let buckets = buckets.starts().map(bucket);
    buckets
        .filter(|bucket| fill != Fill::None || bucket.values.iter().any(|(_, value)| value.is_some()))
        .collect()
}
