//! The devices and the sensors that have readings.
//!
//! The table of series has their names, and when each was last seen. When it was first seen is one look at the index
//! for each series. No reading is counted.

mod http;
mod postgres;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::words::places::timestamp;
use crate::words::{Time, unit};
use ::reading::pairing::Pair;
use serde::Serialize;
use utoipa::ToSchema;

/// A device with readings.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Device {
    device: String,
    /// The name that people gave it for display; null without one.
    #[schema(required)]
    name: Option<String>,
    /// The earliest event time that the database holds of it; null once retention has dropped all its readings.
    #[schema(required)]
    first_seen: Option<Time>,
    /// The latest event time of it.
    last_seen: Time,
    /// Its latest place; null without one.
    #[schema(required)]
    place: Option<Place>,
}

/// A place at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
struct Place {
    /// Degrees, WGS 84.
    latitude: f64,
    /// Degrees, WGS 84.
    longitude: f64,
    timestamp: Time,
}

/// A sensor with readings.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Sensor {
    sensor: String,
    /// Null where the platform does not know it.
    #[schema(required)]
    unit: Option<&'static str>,
    /// As of a device.
    #[schema(required)]
    first_seen: Option<Time>,
    last_seen: Time,
    /// Devices that have it.
    devices: i64,
}

impl Place {
    fn of(pair: Pair) -> Self {
        Self {
            latitude: pair.latitude,
            longitude: pair.longitude,
            timestamp: Time(timestamp(pair.time)),
        }
    }
}

impl Sensor {
    fn new(sensor: String, first_seen: Option<Time>, last_seen: Time, devices: i64) -> Self {
        Self {
            unit: unit(&sensor),
            sensor,
            first_seen,
            last_seen,
            devices,
        }
    }
}
