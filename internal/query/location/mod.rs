//! The latest place of the vehicles.
//!
//! `words::places` finds them.

mod http;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::words::{Time, places};
use serde::Serialize;
use utoipa::ToSchema;

/// A place at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct Location {
    /// Degrees, WGS 84.
    latitude: f64,
    /// Degrees, WGS 84.
    longitude: f64,
    timestamp: Time,
    device: String,
}

impl Location {
    fn of((device, pair): places::Place) -> Self {
        Self {
            latitude: pair.latitude,
            longitude: pair.longitude,
            timestamp: Time(places::timestamp(pair.time)),
            device,
        }
    }
}
