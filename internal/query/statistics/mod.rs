//! The latest value of each sensor, and the averages of a day.
//!
//! Averages are over the readings of all devices, unless one is selected.

mod http;
mod postgres;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::words::Time;
use crate::words::bucket::{Buckets, Fill};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use reading::time::SECOND;
use serde::Serialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use utoipa::ToSchema;

/// The width of an average, in microseconds: a quarter of an hour.
const QUARTER: i64 = 15 * 60 * SECOND;

/// The latest reading of every sensor.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Latest {
    /// km/h, from the sensor `speed`; null without a reading.
    #[schema(required)]
    speed: Option<f64>,
    /// %, from `fuel`.
    #[schema(required)]
    fuel: Option<f64>,
    /// degC, from `engine_temperature`.
    #[schema(required)]
    engine_temperature: Option<f64>,
    /// rpm, from `revolution`.
    #[schema(required)]
    revolutions: Option<f64>,
    /// By name.
    sensors: BTreeMap<String, Sensor>,
}

/// The latest reading of one sensor.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = LatestValue)]
struct Sensor {
    device: String,
    value: f64,
    /// Null for a sensor whose unit the platform does not know.
    #[schema(required)]
    unit: Option<&'static str>,
    timestamp: Time,
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

/// A UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    start: Timestamp,
    end: Timestamp,
}

impl Day {
    /// The 96 quarters of an hour of the day.
    fn quarters(self) -> Buckets {
        Buckets::even(self.start, self.end, QUARTER)
    }
}

impl FromStr for Day {
    type Err = &'static str;

    /// Accepts `YYYY-MM-DD` only: the parser below accepts more forms.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HELP: &str = "not a date: write a day of the calendar as YYYY-MM-DD";
        const LAST: &str = "beyond the last day that can be asked for, 9999-12-29";
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
        let start = midnight(date).map_err(|_| LAST)?;
        // The next day gives its end.
        let end = date.tomorrow().and_then(midnight).map_err(|_| LAST)?;
        Ok(Self { start, end })
    }
}

/// The average of a quarter of an hour.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct Average {
    sensor: String,
    /// Null without readings, unless filled.
    #[schema(required)]
    value: Option<f64>,
    /// Where the quarter begins.
    timestamp: Time,
}

/// The averages of a day, filled; with [`Fill::None`], only those with readings.
fn quarters(sensor: &str, buckets: &Buckets, values: Vec<Option<f64>>, fill: Fill) -> Vec<Average> {
    let average = |(start, value)| Average {
        sensor: sensor.to_owned(),
        value,
        timestamp: Time(start),
    };
    let averages = buckets.starts().zip(values).map(average);
    averages
        .filter(|average| fill != Fill::None || average.value.is_some())
        .collect()
}
