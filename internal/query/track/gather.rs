//! Points of a track: places, each with the nearest value of another sensor.

use crate::words::places::{Event, Reading};
use reading::pairing::Pair;
use std::ops::Range;

/// A place of a track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) place: Pair,
    /// The value that is nearest in time, within the tolerance.
    pub(super) value: Option<f64>,
    /// The time between the two, in microseconds.
    away: i64,
}

#[cfg(test)]
impl Point {
    /// A point without a value.
    pub(super) fn of(place: Pair) -> Self {
        Self {
            place,
            value: None,
            away: i64::MAX,
        }
    }
}

/// Gathers the points of a span from the events of a device, which come in order of time.
#[derive(Debug)]
pub(super) struct Gather {
    span: Range<i64>,
    tolerance: i64,
    /// The last value so far.
    last: Option<Reading>,
    points: Vec<Point>,
    /// The time of the last event.
    reached: i64,
    /// The first point after the last value.
    open: usize,
}

impl Gather {
    /// Gathers points whose values are at most `tolerance` microseconds away.
    pub(super) fn new(span: Range<i64>, tolerance: i64) -> Self {
        Self {
            span,
            tolerance,
            last: None,
            points: Vec::new(),
            reached: i64::MIN,
            open: 0,
        }
    }

    /// Takes out the points that are certain: no later value is near.
    pub(super) fn certain(&mut self) -> Vec<Point> {
        let before = self.reached.saturating_sub(self.tolerance);
        let far = self.points.partition_point(|point| point.place.time < before);
        let certain = far.max(self.open);
        self.open = 0;
        self.points.drain(..certain).collect()
    }

    pub(super) fn take(&mut self, event: Event) {
        self.reached = event.time();
        match event {
            Event::Place(place) if self.span.contains(&place.time) => {
                let near = self.last.map(|last| (last.value, place.time - last.time));
                let near = near.filter(|(_, away)| *away <= self.tolerance);
                self.points.push(Point {
                    place,
                    value: near.map(|(value, _)| value),
                    away: near.map_or(i64::MAX, |(_, away)| away),
                });
            }
            Event::Place(_) => {}
            Event::Reading(reading) => {
                for point in &mut self.points[self.open..] {
                    let away = reading.time - point.place.time;
                    // At equal distances the earlier value stays.
                    if away <= self.tolerance && away < point.away {
                        (point.value, point.away) = (Some(reading.value), away);
                    }
                }
                self.open = self.points.len();
                self.last = Some(reading);
            }
        }
    }

    /// The remaining points, in order of time.
    pub(super) fn finish(self) -> Vec<Point> {
        self.points
    }
}
