//! Where the vehicles are.
//!
//! A place is two readings, of the sensors `location_latitude` and `location_longitude`, and they
//! arrive one by one and in any order. So it is put together when it is asked for: for each device
//! at the older of the two sensors' latest timestamps, from the last value that each had by then.

mod http;
mod postgres;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::api::Moment;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;

/// A place of one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Location {
    /// Degrees, WGS 84.
    latitude: f64,
    /// Degrees, WGS 84.
    longitude: f64,
    timestamp: Moment,
    device: String,
}

/// The latest reading of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Latest {
    series: i32,
    timestamp: Timestamp,
    value: f64,
}

/// A device that has both sensors.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    device: String,
    latitude: Latest,
    longitude: Latest,
}

impl Candidate {
    /// The moment that the place is of: one of the sensors was read then, the other then or later.
    fn moment(&self) -> Timestamp {
        self.latitude.timestamp.min(self.longitude.timestamp)
    }

    /// The series that has been read since, so that its value at the moment has to be looked up.
    fn ahead(&self) -> Option<i32> {
        let moment = self.moment();
        [self.latitude, self.longitude]
            .iter()
            .find(|latest| latest.timestamp > moment)
            .map(|latest| latest.series)
    }

    /// The place, with what was looked up for the series that is ahead.
    fn location(&self, earlier: &HashMap<i32, f64>) -> Option<Location> {
        let moment = self.moment();
        let value = |latest: Latest| {
            if latest.timestamp == moment {
                Some(latest.value)
            } else {
                earlier.get(&latest.series).copied()
            }
        };
        Some(Location {
            latitude: value(self.latitude)?,
            longitude: value(self.longitude)?,
            timestamp: Moment(moment),
            device: self.device.clone(),
        })
    }
}

/// The candidates that come into question, which are in order of preference: none after the first
/// that has its place without a look at what was before.
fn in_question(candidates: &[Candidate]) -> &[Candidate] {
    let settled = candidates.iter().position(|candidate| candidate.ahead().is_none());
    &candidates[..settled.map_or(candidates.len(), |settled| settled + 1)]
}

/// The place of the first candidate that has one.
fn pick(candidates: &[Candidate], earlier: &HashMap<i32, f64>) -> Option<Location> {
    candidates.iter().find_map(|candidate| candidate.location(earlier))
}
