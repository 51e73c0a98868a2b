//! Places of vehicles, from readings of two sensors.
//!
//! A place is two readings, of the sensors `location_latitude` and `location_longitude`. They arrive one by
//! one and in any order, so each question pairs them. `reading::pairing` decides which two belong together,
//! `search` finds the last two that are a place, `stream` all of a span.
//!
//! Coordinates out of range, and 0,0 exactly, are readings like all others, but no place. They are paired all
//! the same: the longitude beside a wrong latitude does not belong to another moment.

#[cfg(test)]
#[path = "../../../reading/pairing/brute_force.rs"]
pub(crate) mod brute_force;
mod postgres;
mod search;
mod stream;

pub(crate) use search::{at, latest, latest_of_each};
pub(crate) use stream::{COORDINATES, Event, Places, Reading};

use jiff::Timestamp;
use reading::pairing::Pair;
use reading::time;
use std::time::Duration;

/// Largest tolerance between the two readings of a place, in microseconds: a year.
const LONGEST_TOLERANCE: i64 = 365 * time::DAY;

/// The place of a device.
pub(crate) type Place = (String, Pair);

/// Where was this device at this moment?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    pub(crate) device: &'a str,
    /// Microseconds since 1970-01-01 UTC, as all times here.
    pub(crate) moment: i64,
}

/// The series of coordinates of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pairs {
    device: String,
    latitude: i32,
    longitude: i32,
}

/// The latest reading of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Latest {
    series: i32,
    time: i64,
    value: f64,
}

/// A device with both sensors.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    device: String,
    latitude: Latest,
    longitude: Latest,
}

impl Candidate {
    /// The latest moment that its place can have: later, one of the two has no reading.
    fn bound(&self, tolerance: i64) -> i64 {
        let (latitude, longitude) = (self.latitude.time, self.longitude.time);
        latitude
            .max(longitude)
            .min(latitude.min(longitude).saturating_add(tolerance))
    }

    /// Its last pair, if both were read at the same moment: no pair can be nearer.
    fn settled(&self) -> Option<Pair> {
        (self.latitude.time == self.longitude.time).then_some(Pair {
            latitude: self.latitude.value,
            longitude: self.longitude.value,
            time: self.latitude.time,
        })
    }
}

/// The longest time between the two readings of a place, in microseconds.
pub(crate) fn tolerance(span: Duration) -> i64 {
    time::micros(span).min(LONGEST_TOLERANCE)
}

/// A moment for answers and statements; times beyond the calendar become its ends.
pub(crate) fn timestamp(time: i64) -> Timestamp {
    let end = if time < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(time).unwrap_or(end)
}
