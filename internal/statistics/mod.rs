//! What the sensors read: the latest value of each, and the averages of a day.
//!
//! Averages are over readings, whichever device they come from. Empty quarters of an hour are
//! filled here and not in the database, where each way of filling would be a statement of its own.

mod http;
mod postgres;
#[cfg(test)]
mod tests;

pub use http::routes;

use crate::api::Moment;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Averages in a day.
const BUCKETS: usize = 96;

/// Seconds that an average is over.
const BUCKET_SECONDS: i64 = 900;

/// The latest reading of every sensor that was ever seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Latest {
    /// km/h, from the sensor `speed`; null where there is none.
    speed: Option<f64>,
    /// %, from `fuel`.
    fuel: Option<f64>,
    /// degC, from `engine_temperature`.
    engine_temperature: Option<f64>,
    /// rpm, from `revolution`.
    revolutions: Option<f64>,
    /// By name.
    sensors: BTreeMap<String, Sensor>,
}

/// The latest reading of one sensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Sensor {
    device: String,
    value: f64,
    /// Null for a sensor whose unit the platform does not know.
    unit: Option<&'static str>,
    timestamp: Moment,
}

impl Latest {
    fn of(sensors: BTreeMap<String, Sensor>) -> Self {
        let value = |name: &str| sensors.get(name).map(|sensor| sensor.value);
        Self {
            speed: value("speed"),
            fuel: value("fuel"),
            engine_temperature: value("engine_temperature"),
            revolutions: value("revolution"),
            sensors,
        }
    }
}

/// The unit of a sensor that the platform knows.
fn unit(sensor: &str) -> Option<&'static str> {
    match sensor {
        "speed" => Some("km/h"),
        "fuel" => Some("%"),
        "revolution" => Some("rpm"),
        "engine_temperature" => Some("degC"),
        "location_latitude" | "location_longitude" => Some("degrees"),
        _ => None,
    }
}

/// A UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    start: Timestamp,
    end: Timestamp,
}

impl FromStr for Day {
    type Err = &'static str;

    /// `YYYY-MM-DD` and nothing else: the parser that is used below knows more ways to write it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HELP: &str = "not a date: write a day of the calendar as YYYY-MM-DD";
        let digit = |(at, byte): (usize, u8)| {
            if matches!(at, 4 | 7) {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        };
        if text.len() != 10 || !text.bytes().enumerate().all(digit) {
            return Err(HELP);
        }
        let date: Date = text.parse().map_err(|_| HELP)?;
        let midnight = |date: Date| date.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp());
        let start = midnight(date).map_err(|_| HELP)?;
        let end = date.tomorrow().and_then(midnight).map_err(|_| HELP)?;
        Ok(Self { start, end })
    }
}

/// The average of a quarter of an hour.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Bucket {
    sensor: String,
    /// Null where there is none and nothing is put in its place.
    value: Option<f64>,
    /// Where the quarter begins.
    timestamp: Moment,
}

/// What stands for a quarter without readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fill {
    /// 0.
    #[default]
    Zero,
    /// Null.
    Null,
    /// The average before it; null before the day's first.
    Previous,
    /// What lies on the straight line between its neighbours; null before the first and after the
    /// last.
    Linear,
    /// Nothing: the quarter is left out.
    None,
}

/// The buckets of a day from the averages that there are.
fn buckets(sensor: &str, day: Day, averages: &[Option<f64>; BUCKETS], fill: Fill) -> Vec<Bucket> {
    let starts = (0_i64..).map(|bucket| day.start.as_second() + bucket * BUCKET_SECONDS);
    let starts = starts.map_while(|second| Timestamp::from_second(second).ok());
    let bucket = |(start, value)| Bucket {
        sensor: sensor.to_owned(),
        value,
        timestamp: Moment(start),
    };
    let buckets = starts.zip(filled(averages, fill)).map(bucket);
    buckets
        .filter(|bucket| fill != Fill::None || bucket.value.is_some())
        .collect()
}

fn filled(averages: &[Option<f64>], fill: Fill) -> Vec<Option<f64>> {
    match fill {
        Fill::Zero => averages.iter().map(|average| average.or(Some(0.0))).collect(),
        Fill::Null | Fill::None => averages.to_vec(),
        Fill::Previous => {
            let mut previous = None;
            let carried = averages.iter().map(|average| {
                previous = average.or(previous);
                previous
            });
            carried.collect()
        }
        Fill::Linear => linear(averages),
    }
}

fn linear(averages: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut filled = averages.to_vec();
    let known: Vec<(usize, f64)> = averages
        .iter()
        .enumerate()
        .filter_map(|(at, average)| Some((at, (*average)?)))
        .collect();
    for pair in known.windows(2) {
        let [(from, first), (to, last)] = *pair else { continue };
        let steps = share(to - from);
        for (step, value) in filled[from + 1..to].iter_mut().enumerate() {
            let way = share(step + 1) / steps;
            // Each end by its share: the difference of two large ones may be no number.
            *value = Some(first * (1.0 - way) + last * way);
        }
    }
    filled
}

/// A count of buckets, of which a day has few, as a number to divide by.
fn share(buckets: usize) -> f64 {
    f64::from(u32::try_from(buckets).unwrap_or(u32::MAX))
}
