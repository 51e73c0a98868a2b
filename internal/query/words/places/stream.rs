//! Places among a device's other readings, in order of time.
//!
//! A pair of coordinates is certain only once later ones have come. Meanwhile the readings after it are held: those of
//! the tolerance at the most.

use reading::pairing::{Axis, Forward, Pair, Point};
use std::collections::VecDeque;

/// The sensors of coordinates, in the order in which their readings are given at equal times.
pub(crate) const COORDINATES: [&str; 2] = ["location_longitude", "location_latitude"];

/// Their numbers.
const LONGITUDE: usize = 0;
const LATITUDE: usize = 1;

/// A reading of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The number of its sensor; the first two are those of [`COORDINATES`].
    pub(crate) sensor: usize,
    /// Microseconds since 1970-01-01 UTC, as all times here.
    pub(crate) time: i64,
    pub(crate) value: f64,
}

/// A place, or a reading of another sensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Place(Pair),
    Reading(Reading),
}

impl Event {
    pub(crate) fn time(self) -> i64 {
        match self {
            Self::Place(pair) => pair.time,
            Self::Reading(reading) => reading.time,
        }
    }
}

/// Takes the readings of one device in order of time, at equal times by number of the sensor, and gives its places
/// among the readings of other sensors. A place comes before the readings of its moment.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pairing: Forward,
    /// All readings before this were taken.
    reached: i64,
    /// In order of time.
    held: VecDeque<Event>,
}

impl Places {
    /// Makes one whose latitudes and longitudes are at most `tolerance` microseconds apart.
    pub(crate) fn new(tolerance: i64) -> Self {
        Self {
            pairing: Forward::new(tolerance),
            reached: i64::MIN,
            held: VecDeque::new(),
        }
    }

    /// Takes the next reading.
    pub(crate) fn take(&mut self, reading: Reading) {
        self.reach(reading.time);
        let axis = match reading.sensor {
            LONGITUDE => Axis::Longitude,
            LATITUDE => Axis::Latitude,
            _ => return self.held.push_back(Event::Reading(reading)),
        };
        let Reading { time, value, .. } = reading;
        let pair = self.pairing.take(Point { axis, time, value });
        self.hold(pair);
    }

    /// Tells that no reading before `time` will come.
    pub(crate) fn reach(&mut self, time: i64) {
        self.reached = self.reached.max(time);
        let pair = self.pairing.reached(time);
        self.hold(pair);
    }

    /// No further event is before this.
    pub(crate) fn certain(&self) -> i64 {
        self.pairing
            .waits()
            .map_or(self.reached, |waits| waits.min(self.reached))
    }

    /// The next event that is certain.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let certain = self.certain();
        self.held.front().filter(|event| event.time() < certain)?;
        self.held.pop_front()
    }

    /// How many events are held.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    fn hold(&mut self, pair: Option<Pair>) {
        if let Some(pair) = pair.filter(|pair| pair.is_place()) {
            let at = self.held.partition_point(|event| event.time() < pair.time);
            self.held.insert(at, Event::Place(pair));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::places::brute_force::brute_force;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Series = BTreeMap<i64, f64>;

    /// All readings in order of time, and then by sensor.
    fn ordered(series: &[&Series]) -> Vec<Reading> {
        let mut all = Vec::new();
        for (sensor, readings) in series.iter().enumerate() {
            all.extend(readings.iter().map(|(time, value)| Reading {
                sensor,
                time: *time,
                value: *value,
            }));
        }
        all.sort_by_key(|reading| (reading.time, reading.sensor));
        all
    }

    #[test]
    fn a_reading_waits_for_the_place_before_it() {
        let mut places = Places::new(10);
        let reading = |sensor, time| Reading {
            sensor,
            time,
            value: 1.0,
        };
        places.take(reading(LATITUDE, 100));
        places.take(reading(LONGITUDE, 104));
        places.take(reading(2, 105));
        // A longitude at 108 would not be nearer, but a latitude at 107 would.
        assert_eq!(places.pop(), None);
        places.take(reading(2, 109));
        let mut told: Vec<i64> = Vec::new();
        while let Some(event) = places.pop() {
            told.push(event.time());
        }
        assert_eq!(told, [104, 105]);
        places.reach(i64::MAX);
        assert_eq!(places.pop(), Some(Event::Reading(reading(2, 109))));
        assert_eq!(places.pop(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn all_places_and_readings_in_order(
            latitudes in prop::collection::btree_map(0..80_i64, -100.0..100.0, 0..25),
            longitudes in prop::collection::btree_map(0..80_i64, -100.0..100.0, 0..25),
            speeds in prop::collection::btree_map(0..80_i64, 0.0..100.0, 0..25),
            tolerance in 0..12_i64,
        ) {
            let mut places = Places::new(tolerance);
            let mut told = Vec::new();
            let all = ordered(&[&longitudes, &latitudes, &speeds]);
            for reading in &all {
                places.take(*reading);
                while let Some(event) = places.pop() {
                    told.push(event);
                }
                // What is held lies within twice the tolerance.
                let held = places.held.front().map_or(reading.time, |event| event.time());
                prop_assert!(reading.time - held <= 2 * tolerance);
            }
            places.reach(i64::MAX);
            while let Some(event) = places.pop() {
                told.push(event);
            }
            let mut expected: Vec<Event> = brute_force(&latitudes, &longitudes, tolerance)
                .into_iter()
                .filter(|pair| pair.is_place())
                .map(Event::Place)
                .collect();
            expected.extend(all.iter().filter(|reading| reading.sensor == 2).map(|reading| Event::Reading(*reading)));
            // Stable: places come first.
            expected.sort_by_key(|event| event.time());
            prop_assert_eq!(told, expected);
        }
    }
}
