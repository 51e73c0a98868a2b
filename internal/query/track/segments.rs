//! Segments of a track.

use super::gather::Point;
use crate::words::earth::{distance, kept, kept_at_most};
use reading::pairing::Pair;
use reading::time::SECOND;

/// A segment ends at a gap above this, or above [`INTERVALS`] median intervals if those are longer.
const GAP: i64 = 120 * SECOND;
const INTERVALS: i64 = 10;

/// Faster than this is moving, in metres a second: 5 km/h.
const MOVING: f64 = 5.0 / 3.6;

/// Faster than this is an error of the receiver, in metres a second: 250 km/h.
const FASTEST: f64 = 250.0 / 3.6;

/// The time between two places whose speed is judged: nearer ones differ by the errors of the receiver.
const APART: i64 = 30 * SECOND;

/// A part of a track without a gap.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) device: String,
    /// When its first and its last place were, in microseconds since 1970-01-01 UTC.
    pub(super) from: i64,
    pub(super) to: i64,
    /// From place to place without errors of the receiver, in metres.
    pub(super) distance: f64,
    /// In microseconds.
    pub(super) moving_time: i64,
    /// Some of its places, with the first and the last one.
    pub(super) points: Vec<Point>,
}

/// Which points an answer has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Chosen {
    All,
    /// So many of all segments together.
    Most(usize),
    /// Those without which the line would move by more than so many metres.
    Within(f64),
}

/// Cuts the points of a device, in order of time, at its gaps.
pub(super) fn segments(device: &str, points: Vec<Point>) -> Vec<Segment> {
    let gap = gap(&points);
    let mut segments = Vec::new();
    let mut points = points.into_iter().peekable();
    while let Some(first) = points.next() {
        let mut segment = vec![first];
        let mut last = first.place.time;
        while let Some(point) = points.next_if(|point| point.place.time - last <= gap) {
            last = point.place.time;
            segment.push(point);
        }
        segments.push(Segment {
            device: device.to_owned(),
            from: first.place.time,
            to: last,
            distance: length(&segment),
            moving_time: moving_time(&segment),
            points: segment,
        });
    }
    segments
}

/// Leaves points out.
pub(super) fn choose(segments: &mut [Segment], chosen: Chosen) {
    let lines: Vec<Vec<Pair>> = match chosen {
        Chosen::All => return,
        Chosen::Most(_) | Chosen::Within(_) => segments.iter().map(line).collect(),
    };
    let lines: Vec<&[Pair]> = lines.iter().map(Vec::as_slice).collect();
    let numbers = match chosen {
        Chosen::All => return,
        Chosen::Most(most) => kept_at_most(&lines, most),
        Chosen::Within(metres) => lines.iter().map(|line| kept(line, metres)).collect(),
    };
    for (segment, numbers) in segments.iter_mut().zip(numbers) {
        segment.points = numbers
            .iter()
            .filter_map(|at| segment.points.get(*at).copied())
            .collect();
    }
}

fn line(segment: &Segment) -> Vec<Pair> {
    segment.points.iter().map(|point| point.place).collect()
}

/// The longest time between two places of one segment.
fn gap(points: &[Point]) -> i64 {
    let intervals = points.windows(2).map(|two| two[1].place.time - two[0].place.time);
    let mut intervals: Vec<i64> = intervals.collect();
    if intervals.is_empty() {
        return GAP;
    }
    let middle = intervals.len() / 2;
    let (_, median, _) = intervals.select_nth_unstable(middle);
    GAP.max(median.saturating_mul(INTERVALS))
}

fn length(points: &[Point]) -> f64 {
    points.windows(2).map(|two| step(two[0].place, two[1].place)).sum()
}

/// The way between two places, in metres. One to an error of the receiver, or back from it, counts nothing.
fn step(one: Pair, next: Pair) -> f64 {
    let metres = distance(one, next);
    if metres > FASTEST * seconds(next.time - one.time) {
        return 0.0;
    }
    metres
}

/// The time between places that are [`APART`], where they are so far from each other that the vehicle moved.
fn moving_time(points: &[Point]) -> i64 {
    let Some(mut from) = points.first().map(|point| point.place) else {
        return 0;
    };
    let mut moving = 0;
    let last = points.len() - 1;
    for (at, point) in points.iter().enumerate().skip(1) {
        let time = point.place.time - from.time;
        if time < APART && at < last {
            continue;
        }
        if time > 0 && distance(from, point.place) >= MOVING * seconds(time) {
            moving += time;
        }
        from = point.place;
    }
    moving
}

/// A span of microseconds in seconds.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^52")]
pub(super) fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_place_adds_no_way() {
        let place = |second: i64, north: f64| Pair {
            latitude: 45.0 + north / 111_195.0,
            longitude: 13.0,
            time: second * SECOND,
        };
        let places = [
            place(0, 0.0),
            place(1, 20.0),
            place(2, 30_000.0),
            place(3, 60.0),
            place(4, 80.0),
        ];
        let length: f64 = places.windows(2).map(|two| step(two[0], two[1])).sum();
        assert!((length - 40.0).abs() < 0.1, "{length}");
    }
}
