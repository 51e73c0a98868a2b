//! The state of the whole system: the last timestamp, and counts and versions for operators.

mod http;
mod postgres;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::words::Time;
use serde::Serialize;
use utoipa::ToSchema;

/// The state of the database that the API reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// The greatest event time of all readings, or of one device's; null without readings.
    #[schema(required)]
    last_ingest_timestamp: Option<Time>,
    /// Devices with readings.
    devices: i64,
    /// Series with readings: each is a sensor of a device.
    series: i64,
    /// The version of the answering program.
    version: &'static str,
    /// The schema version of the database.
    schema_version: i32,
}
