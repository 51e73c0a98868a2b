//! How the whole system stands: how far the readings go, and what an operator wants beside that.

mod http;
mod postgres;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::words::Time;
use serde::Serialize;

/// The state of the database that the API reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// The greatest event time of all readings, or of one device's; null when there is none.
    last_ingest_timestamp: Option<Time>,
    /// Devices that have readings.
    devices: i64,
    /// Series that have readings: each is a sensor of a device.
    series: i64,
    /// The version of the program that answers.
    version: &'static str,
    /// The version of the schema that it found.
    schema_version: i32,
}
