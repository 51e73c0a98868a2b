//! Pairs points in order of time.

use super::{Axis, Pair, Pairing, Point};

/// Pairs one device's points, given in order of time; at equal times the longitude first. The rule is that of
/// [`Pairing`], and memory is constant.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Of the points in the mirror: times are negative, and a latitude is a longitude.
    mirrored: Pairing,
}

impl Forward {
    /// Makes a pairing of points at most `tolerance` microseconds apart.
    pub fn new(tolerance: i64) -> Self {
        Self {
            mirrored: Pairing::new(tolerance),
        }
    }

    /// Takes the next point, and returns the pair that it makes certain.
    pub fn take(&mut self, point: Point) -> Option<Pair> {
        self.mirrored.pass(mirrored(point)).map(seen)
    }

    /// Returns the pair that is certain once no point before `time` will come.
    pub fn reached(&mut self, time: i64) -> Option<Pair> {
        let since = 1_i64.saturating_sub(time);
        self.mirrored.settle(since, since).map(seen)
    }

    /// The time of the pair that the next points may still prevent. Every other coming pair is later than the points
    /// taken.
    pub fn waits(&self) -> Option<i64> {
        self.mirrored.waiting.map(|(later, _)| -later.time)
    }
}

fn mirrored(point: Point) -> Point {
    Point {
        axis: match point.axis {
            Axis::Latitude => Axis::Longitude,
            Axis::Longitude => Axis::Latitude,
        },
        time: -point.time,
        value: point.value,
    }
}

/// The pair of two points in the mirror, where the older one is the later.
fn seen((later, earlier): (Point, Point)) -> Pair {
    Pair::of(mirrored(earlier), mirrored(later))
}
