//! Decides which latitude and longitude belong together.
//!
//! [`Pairing`] takes points backwards in time, for the last places. [`Forward`] takes them in order of time, for all
//! places. Both are one rule: seen in a mirror, time runs backwards and the two axes change places.

mod forward;

pub use forward::Forward;

use crate::earth;

/// The coordinate that a reading holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// North is positive.
    Latitude,
    /// East is positive.
    Longitude,
}

/// A reading of a coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Which of both.
    pub axis: Axis,
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Degrees, or another number that the sensor sent.
    pub value: f64,
}

/// A latitude and a longitude that belong together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
    /// When the later of the two was read.
    pub time: i64,
}

impl Pair {
    fn of(older: Point, newer: Point) -> Self {
        let (latitude, longitude) = match older.axis {
            Axis::Latitude => (older, newer),
            Axis::Longitude => (newer, older),
        };
        Self {
            latitude: latitude.value,
            longitude: longitude.value,
            time: newer.time,
        }
    }

    /// The distance to another place, in metres.
    pub fn distance_to(self, other: Self) -> f64 {
        earth::distance((self.latitude, self.longitude), (other.latitude, other.longitude))
    }

    /// Whether this is a place on earth. Receivers without a fix report 0,0.
    pub fn is_place(self) -> bool {
        self.latitude.abs() <= 90.0 && self.longitude.abs() <= 180.0 && (self.latitude != 0.0 || self.longitude != 0.0)
    }
}

/// Pairs one device's points, given backwards in time.
///
/// Two points are a pair if each is the nearest of the other axis to the other one, within the tolerance. At
/// equal distances, a latitude prefers the longitude after it, and a longitude the latitude before it. That
/// is because sensors that read in turn begin with the latitude. So each point is in one pair at most.
///
/// No third point lies between the two of a pair, or it would be nearer. So the points on both sides decide.
#[derive(Clone, Debug)]
pub struct Pairing {
    tolerance: i64,
    /// The point taken before this one.
    last: Option<Point>,
    /// The time of the last latitude and of the last longitude.
    latitude: Option<i64>,
    longitude: Option<i64>,
    /// A pair, older and newer, unless a coming point is nearer to the older one.
    waiting: Option<(Point, Point)>,
}

impl Pairing {
    /// Makes a pairing of points at most `tolerance` microseconds apart.
    pub fn new(tolerance: i64) -> Self {
        Self {
            tolerance,
            last: None,
            latitude: None,
            longitude: None,
            waiting: None,
        }
    }

    /// Takes the next point, and returns the pair that it makes certain.
    pub fn take(&mut self, point: Point) -> Option<Pair> {
        self.pass(point).map(|(older, newer)| Pair::of(older, newer))
    }

    /// Returns the pair that is certain once both axes were taken back to these times.
    pub fn reached(&mut self, latitude: i64, longitude: i64) -> Option<Pair> {
        self.settle(latitude, longitude)
            .map(|(older, newer)| Pair::of(older, newer))
    }

    /// The point that was taken last.
    pub fn last(&self) -> Option<Point> {
        self.last
    }

    /// The time of the pair that the next points may still prevent.
    pub fn waits(&self) -> Option<i64> {
        self.waiting.map(|(_, newer)| newer.time)
    }

    /// As [`Pairing::take`]: the older and the newer of the pair.
    fn pass(&mut self, point: Point) -> Option<(Point, Point)> {
        let certain = self.decide(point);
        if let Some(last) = self.last
            && last.axis != point.axis
            && last.time - point.time <= self.tolerance
            && self.is_free(point, last)
        {
            self.waiting = Some((point, last));
        }
        *self.of(point.axis) = Some(point.time);
        self.last = Some(point);
        certain
    }

    /// As [`Pairing::reached`].
    fn settle(&mut self, latitude: i64, longitude: i64) -> Option<(Point, Point)> {
        let (older, newer) = self.waiting?;
        let since = match newer.axis {
            Axis::Latitude => latitude,
            Axis::Longitude => longitude,
        };
        if older.time - (newer.time - older.time) < since {
            return None;
        }
        self.waiting = None;
        Some((older, newer))
    }

    /// Decides by this point about the waiting pair.
    fn decide(&mut self, point: Point) -> Option<(Point, Point)> {
        let (older, newer) = self.waiting?;
        let (distance, other) = (newer.time - older.time, older.time - point.time);
        if point.axis == newer.axis {
            self.waiting = None;
            let nearer = other < distance || (other == distance && older.axis == Axis::Longitude);
            return (!nearer).then_some((older, newer));
        }
        if other <= distance {
            return None;
        }
        self.waiting = None;
        Some((older, newer))
    }

    /// Whether no point after `newer` is nearer to it than this one.
    fn is_free(&mut self, point: Point, newer: Point) -> bool {
        let distance = newer.time - point.time;
        self.of(point.axis).is_none_or(|after| {
            let other = after - newer.time;
            other > distance || (other == distance && newer.axis == Axis::Longitude)
        })
    }

    fn of(&mut self, axis: Axis) -> &mut Option<i64> {
        match axis {
            Axis::Latitude => &mut self.latitude,
            Axis::Longitude => &mut self.longitude,
        }
    }
}

#[cfg(test)]
mod brute_force;

#[cfg(test)]
mod tests {
    use super::*;
    use brute_force::brute_force;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The pairs in order of time, returned as the points come.
    fn told(latitudes: &BTreeMap<i64, f64>, longitudes: &BTreeMap<i64, f64>, tolerance: i64) -> Vec<Pair> {
        let points = |axis, points: &BTreeMap<i64, f64>| -> Vec<Point> {
            let points = points.iter();
            points
                .map(|(time, value)| Point {
                    axis,
                    time: *time,
                    value: *value,
                })
                .collect()
        };
        let mut all = points(Axis::Latitude, latitudes);
        all.extend(points(Axis::Longitude, longitudes));
        all.sort_by_key(|point| -point.time);
        let mut pairing = Pairing::new(tolerance);
        let mut pairs: Vec<Pair> = all.into_iter().filter_map(|point| pairing.take(point)).collect();
        pairs.extend(pairing.reached(i64::MIN, i64::MIN));
        pairs.reverse();
        pairs
    }

    /// The same, told in order of time.
    fn told_forward(latitudes: &BTreeMap<i64, f64>, longitudes: &BTreeMap<i64, f64>, tolerance: i64) -> Vec<Pair> {
        let points = |axis, points: &BTreeMap<i64, f64>| -> Vec<Point> {
            let point = |(time, value): (&i64, &f64)| Point {
                axis,
                time: *time,
                value: *value,
            };
            points.iter().map(point).collect()
        };
        let mut all = points(Axis::Longitude, longitudes);
        all.extend(points(Axis::Latitude, latitudes));
        all.sort_by_key(|point| point.time);
        let mut pairing = Forward::new(tolerance);
        let mut pairs = Vec::new();
        for point in all {
            // Another sensor's reading a moment before says how far time has come.
            pairs.extend(pairing.reached(point.time));
            assert!(pairing.waits().is_none_or(|waits| waits <= point.time));
            pairs.extend(pairing.take(point));
        }
        pairs.extend(pairing.reached(i64::MAX));
        pairs
    }

    #[test]
    fn places_on_earth() {
        for (latitude, longitude, expected) in [
            (45.0, 13.0, true),
            (90.0, 180.0, true),
            (-90.0, -180.0, true),
            (0.0, 13.0, true),
            (45.0, 0.0, true),
            (0.0, 1e-7, true),
            (0.0, 0.0, false),
            (-0.0, 0.0, false),
            (90.000_001, 13.0, false),
            (-270.6, 13.0, false),
            (45.0, 999.0, false),
            (45.0, -180.000_001, false),
        ] {
            let pair = Pair {
                latitude,
                longitude,
                time: 0,
            };
            assert_eq!(pair.is_place(), expected, "{pair:?}");
        }
    }

    #[test]
    fn each_is_the_nearest_to_the_other() {
        for (latitudes, longitudes, expected) in [
            (vec![], vec![], vec![]),
            (vec![5], vec![], vec![]),
            (vec![5], vec![5], vec![(5, 5)]),
            (vec![5], vec![15], vec![(5, 15)]),
            (vec![5], vec![16], vec![]),
            // The longitude is nearer to the second latitude.
            (vec![0, 9], vec![10], vec![(9, 10)]),
            (vec![10], vec![0, 9], vec![(10, 9)]),
            // In turn, at equal distances.
            (vec![0, 2, 4], vec![1, 3, 5], vec![(0, 1), (2, 3), (4, 5)]),
            (vec![1, 3, 5], vec![0, 2, 4], vec![(1, 2), (3, 4)]),
            // The rest has no second choice.
            (vec![0, 4], vec![5, 6], vec![(4, 5)]),
        ] {
            let series = |times: &[i64]| -> BTreeMap<i64, f64> {
                times
                    .iter()
                    .map(|time| (*time, f64::from(u8::try_from(*time).unwrap())))
                    .collect()
            };
            let found = told(&series(&latitudes), &series(&longitudes), 10);
            let found: Vec<(i64, i64)> = found
                .iter()
                .map(|pair| {
                    #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
                    let times = (pair.latitude as i64, pair.longitude as i64);
                    times
                })
                .collect();
            assert_eq!(found, expected, "{latitudes:?} {longitudes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn as_by_looking_at_all_points(
            latitudes in prop::collection::btree_map(0..60_i64, -100.0..100.0, 0..20),
            longitudes in prop::collection::btree_map(0..60_i64, -100.0..100.0, 0..20),
            tolerance in 0..12_i64,
        ) {
            let expected = brute_force(&latitudes, &longitudes, tolerance);
            prop_assert_eq!(told(&latitudes, &longitudes, tolerance), expected.clone());
            prop_assert_eq!(told_forward(&latitudes, &longitudes, tolerance), expected);
        }
    }
}
