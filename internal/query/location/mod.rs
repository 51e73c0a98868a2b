//! Where the vehicles are.
//!
//! A place is two readings, of the sensors `location_latitude` and `location_longitude`, and they
//! arrive one by one and in any order. So it is put together when it is asked for: `pairing` says
//! which two belong together, `search` finds the last two that are a place.
//!
//! Coordinates out of range, and 0,0 exactly, are readings as all others, and no place. They have
//! their pairs all the same: what was read beside a wrong latitude is not the longitude of another
//! moment.

mod http;
mod pairing;
mod postgres;
mod search;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use self::pairing::Pair;
use crate::words::Time;
use jiff::Timestamp;
use serde::Serialize;

/// A place of one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Location {
    /// Degrees, WGS 84.
    latitude: f64,
    /// Degrees, WGS 84.
    longitude: f64,
    timestamp: Time,
    device: String,
}

/// The latest reading of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Latest {
    series: i32,
    /// Microseconds since 1970-01-01 UTC, as all times here.
    time: i64,
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
    /// The latest moment that its place can be of: beyond, one of the two has no reading.
    fn bound(&self, tolerance: i64) -> i64 {
        let (latitude, longitude) = (self.latitude.time, self.longitude.time);
        latitude
            .max(longitude)
            .min(latitude.min(longitude).saturating_add(tolerance))
    }

    /// Its last pair, where both were read at the same moment: nothing is nearer.
    fn settled(&self) -> Option<Pair> {
        (self.latitude.time == self.longitude.time).then_some(Pair {
            latitude: self.latitude.value,
            longitude: self.longitude.value,
            time: self.latitude.time,
        })
    }
}

/// A moment in answers and statements; times beyond the calendar are its ends.
fn timestamp(time: i64) -> Timestamp {
    let end = if time < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(time).unwrap_or(end)
}
