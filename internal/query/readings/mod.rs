//! Readings as they are stored: in pages by time, or a whole span as a stream of lines.
//!
//! A page merges the series that are asked for, by (timestamp, device, sensor), the identity of a reading. The
//! next page begins after the last reading of the one before (`cursor`). Readings may be written meanwhile: one that
//! was there throughout is on exactly one page.
//!
//! A stream goes series by series, in the order of dumps, and reads one chunk at a time. It is no snapshot.
//!
//! Deliberately not here: functions of readings (`trend`), and other orders.

mod answer;
mod cursor;
mod http;
mod lines;
mod page;
mod postgres;
mod reader;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::words::{Device, DroppedDay, Name, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The end of the calendar, 9999-12-30T22:00:00Z: no span ends later.
const END: i64 = 253_402_207_200_000_000;

/// A page, in the requested order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Readings)]
struct Page<'a> {
    readings: Vec<Reading<'a>>,
    /// Leads to the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Days of this page whose readings retention has dropped: they are in its dumps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<DroppedDay>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Reading<'a> {
    device: &'a str,
    sensor: &'a str,
    timestamp: Time,
    value: f64,
    /// Null for a sensor whose unit the platform does not know.
    #[schema(required)]
    unit: Option<&'static str>,
}

/// The order of a page: by timestamp, then device, then sensor; names bytewise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    /// The earliest first.
    #[default]
    Asc,
    /// Exactly the reverse.
    Desc,
}

/// The devices and sensors of a question, each once and in order. None means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    devices: Vec<String>,
    sensors: Vec<String>,
}

impl Filter {
    fn new(devices: &[Device], sensors: &[Name]) -> Self {
        let once = |names: Vec<&str>| {
            let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        Self {
            devices: once(devices.iter().map(Device::as_str).collect()),
            sensors: once(sensors.iter().map(Name::as_str).collect()),
        }
    }
}

/// A span of time, in microseconds since 1970-01-01 UTC, as all times here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// Inclusive.
    from: i64,
    /// Exclusive.
    to: i64,
}

/// A series that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Series {
    id: i32,
    device: String,
    sensor: String,
    /// The timestamp of its latest value; none before its first reading is committed.
    latest: Option<i64>,
}

/// A reading of one of several series.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    /// The number of its series among those.
    series: usize,
    timestamp: i64,
    value: f64,
}

/// The identity of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    timestamp: i64,
    device: String,
    sensor: String,
}
