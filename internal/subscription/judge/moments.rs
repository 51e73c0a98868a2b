//! The moments of a rule: the times at which a device has a reading of a sensor that it names.

use crate::rule::{Moment, Rule};
use reading::Point;
use reading::pairing::{self, Axis, Pair, Pairing};

/// A device's readings for one rule, each list in order of time.
pub(crate) struct Readings<'a> {
    pub(crate) device: &'a str,
    /// By [`Rule::sensors`].
    pub(crate) sensors: Vec<&'a [Point]>,
    /// Latitudes and longitudes, where the rule needs places.
    pub(crate) places: Option<(&'a [Point], &'a [Point])>,
}

/// Calls `each` with every moment from `from` on, in order of time.
pub(crate) fn each(rule: &Rule, readings: &Readings<'_>, from: i64, mut each: impl FnMut(&Moment<'_>)) {
    let tolerance = rule.subscription.tolerance;
    let pairs = readings
        .places
        .map(|places| pairs(places, tolerance))
        .unwrap_or_default();
    // The next reading of each sensor, and the next pair.
    let mut next = vec![0; readings.sensors.len()];
    let mut next_pair = 0;
    let mut last: Vec<Option<Point>> = vec![None; readings.sensors.len()];
    let mut last_pair: Option<Pair> = None;
    let mut values = vec![None; readings.sensors.len()];
    loop {
        let mut time = pairs.get(next_pair).map_or(i64::MAX, |pair| pair.time);
        for (points, at) in readings.sensors.iter().zip(&next) {
            time = points.get(*at).map_or(time, |point| time.min(point.timestamp));
        }
        if time == i64::MAX {
            return;
        }
        while let Some(pair) = pairs.get(next_pair).filter(|pair| pair.time == time) {
            last_pair = Some(*pair);
            next_pair += 1;
        }
        for (number, points) in readings.sensors.iter().enumerate() {
            if let Some(point) = points.get(next[number]).filter(|point| point.timestamp == time) {
                last[number] = Some(*point);
                next[number] += 1;
            }
            values[number] = last[number]
                .filter(|point| time - point.timestamp <= tolerance)
                .map(|point| point.value);
        }
        if time >= from {
            each(&Moment {
                device: readings.device,
                time,
                values: &values,
                place: last_pair.filter(|pair| time - pair.time <= tolerance && pair.is_place()),
            });
        }
    }
}

/// The pairs of latitudes and longitudes, in order of time.
fn pairs((latitudes, longitudes): (&[Point], &[Point]), tolerance: i64) -> Vec<Pair> {
    let point = |axis| {
        move |point: &Point| pairing::Point {
            axis,
            time: point.timestamp,
            value: point.value,
        }
    };
    let mut latitudes = latitudes.iter().rev().map(point(Axis::Latitude)).peekable();
    let mut longitudes = longitudes.iter().rev().map(point(Axis::Longitude)).peekable();
    let mut pairing = Pairing::new(tolerance);
    let mut pairs = Vec::new();
    loop {
        let point = match (latitudes.peek(), longitudes.peek()) {
            (Some(latitude), Some(longitude)) if latitude.time >= longitude.time => latitudes.next(),
            (_, Some(_)) => longitudes.next(),
            (_, None) => latitudes.next(),
        };
        let Some(point) = point else {
            break;
        };
        pairs.extend(pairing.take(point));
    }
    pairs.extend(pairing.reached(i64::MIN, i64::MIN));
    pairs.reverse();
    pairs
}
