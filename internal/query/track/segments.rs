//! Segments of a track.

use super::gather::Point;
use crate::words::simplify::{kept, kept_at_most};
use reading::pairing::Pair;
use reading::time::SECOND;

/// A segment ends at a gap above this, or above [`INTERVALS`] median intervals if those are longer.
const GAP: i64 = 120 * SECOND;
const INTERVALS: i64 = 10;

/// Up to this, ten intervals are no longer than [`GAP`].
const SHORT: i64 = GAP / INTERVALS;

/// Faster than this is moving, in metres a second: 5 km/h.
const MOVING: f64 = 5.0 / 3.6;

/// Faster than this is an error of the receiver, in metres a second: 250 km/h.
const FASTEST: f64 = 250.0 / 3.6;

/// The time between two places whose speed is judged: nearer ones differ by the errors of the receiver.
const APART: i64 = 30 * SECOND;

/// Points after which some are left out, of a part and of a device.
const CHUNK: usize = 50_000;
const MANY: usize = 200_000;

/// The first tolerance with which points are left out of many, and the last one, in metres.
const FINEST: f64 = 0.5;
const COARSEST: f64 = 1e7;

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

/// The track of a device while its points come in order of time. Where few are wanted, it leaves points out meanwhile.
#[derive(Debug)]
pub(super) struct Line {
    chosen: Chosen,
    /// Without a gap above [`GAP`].
    parts: Vec<Part>,
    /// How many intervals are up to [`SHORT`], and the longer ones.
    short: usize,
    long: Vec<i64>,
    /// Points of all parts.
    kept: usize,
    /// With which points were left out where so many are wanted.
    tolerance: f64,
}

impl Line {
    pub(super) fn new(chosen: Chosen) -> Self {
        Self {
            chosen,
            parts: Vec::new(),
            short: 0,
            long: Vec::new(),
            kept: 0,
            tolerance: 0.0,
        }
    }

    /// How many points there are.
    pub(super) fn len(&self) -> usize {
        self.kept
    }

    /// Takes the next point.
    pub(super) fn take(&mut self, point: Point) {
        self.kept += 1;
        let interval = self.parts.last().map(|part| point.place.time - part.last.time);
        match interval {
            Some(interval) if interval > SHORT => self.long.push(interval),
            Some(_) => self.short += 1,
            None => {}
        }
        if interval.is_some_and(|interval| interval <= GAP)
            && let Some(part) = self.parts.last_mut()
        {
            part.take(point);
        } else {
            self.parts.push(Part::new(point));
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        match self.chosen {
            Chosen::All => {}
            Chosen::Within(metres) => {
                let last = self.parts.last_mut();
                if let Some(part) = last.filter(|part| part.points.len() - part.thinned > CHUNK) {
                    self.kept -= part.thin(metres);
                }
            }
            Chosen::Most(_) => {
                if self.kept <= MANY {
                    return;
                }
                while self.kept > MANY / 2 && self.tolerance < COARSEST {
                    self.tolerance = (2.0 * self.tolerance).max(FINEST);
                    for part in &mut self.parts {
                        part.thinned = 0;
                        self.kept -= part.thin(self.tolerance);
                    }
                }
            }
        }
    }

    /// The segments of this device, in order of time.
    pub(super) fn finish(mut self, device: &str) -> Vec<Segment> {
        let gap = self.gap();
        let mut joined: Vec<Part> = Vec::new();
        for mut part in self.parts {
            if let Chosen::Within(metres) = self.chosen {
                part.thin(metres);
            }
            match joined.last_mut() {
                Some(last) if part.first.time - last.last.time <= gap => last.join(part),
                _ => joined.push(part),
            }
        }
        joined.into_iter().map(|part| part.finish(device)).collect()
    }

    /// The longest time between two places of one segment.
    fn gap(&mut self) -> i64 {
        let middle = (self.short + self.long.len()) / 2;
        // Up to there, GAP is longer.
        let Some(at) = middle.checked_sub(self.short).filter(|at| *at < self.long.len()) else {
            return GAP;
        };
        let (_, median, _) = self.long.select_nth_unstable(at);
        GAP.max(median.saturating_mul(INTERVALS))
    }
}

/// A part of a track, of one point or more.
#[derive(Debug)]
struct Part {
    first: Pair,
    last: Pair,
    distance: f64,
    moving_time: i64,
    /// The last place whose speed was judged.
    judged: Pair,
    points: Vec<Point>,
    /// Up to this one, points were left out.
    thinned: usize,
}

impl Part {
    fn new(point: Point) -> Self {
        Self {
            first: point.place,
            last: point.place,
            distance: 0.0,
            moving_time: 0,
            judged: point.place,
            points: vec![point],
            thinned: 0,
        }
    }

    fn take(&mut self, point: Point) {
        self.distance += step(self.last, point.place);
        self.last = point.place;
        if point.place.time - self.judged.time >= APART {
            self.judge(point.place);
        }
        self.points.push(point);
    }

    /// Counts the time between two places that are [`APART`], if they are so far from each other that the vehicle
    /// moved.
    fn judge(&mut self, place: Pair) {
        let time = place.time - self.judged.time;
        if time > 0 && self.judged.distance_to(place) >= MOVING * seconds(time) {
            self.moving_time += time;
        }
        self.judged = place;
    }

    /// Leaves points out after those of before. Returns how many.
    fn thin(&mut self, tolerance: f64) -> usize {
        // The line goes on from the last one that was kept.
        let from = self.thinned.saturating_sub(1);
        let tail = self.points.split_off(from);
        let line: Vec<Pair> = tail.iter().map(|point| point.place).collect();
        let numbers = kept(&line, tolerance);
        self.points
            .extend(numbers.iter().filter_map(|at| tail.get(*at).copied()));
        self.thinned = self.points.len();
        tail.len() - numbers.len()
    }

    /// Adds the next part, which a gap separates.
    fn join(&mut self, next: Self) {
        self.distance += step(self.last, next.first) + next.distance;
        self.judge(next.first);
        self.moving_time += next.moving_time;
        (self.judged, self.last) = (next.judged, next.last);
        self.points.extend(next.points);
    }

    fn finish(mut self, device: &str) -> Segment {
        self.judge(self.last);
        Segment {
            device: device.to_owned(),
            from: self.first.time,
            to: self.last.time,
            distance: self.distance,
            moving_time: self.moving_time,
            points: self.points,
        }
    }
}

/// Leaves points out of all segments together, until they are so few.
pub(super) fn choose(segments: &mut [Segment], chosen: Chosen) {
    let Chosen::Most(most) = chosen else {
        return;
    };
    let lines: Vec<Vec<Pair>> = segments.iter().map(line).collect();
    let lines: Vec<&[Pair]> = lines.iter().map(Vec::as_slice).collect();
    for (segment, numbers) in segments.iter_mut().zip(kept_at_most(&lines, most)) {
        segment.points = numbers
            .iter()
            .filter_map(|at| segment.points.get(*at).copied())
            .collect();
    }
}

fn line(segment: &Segment) -> Vec<Pair> {
    segment.points.iter().map(|point| point.place).collect()
}

/// The way between two places, in metres. One to an error of the receiver, or back from it, counts nothing.
fn step(one: Pair, next: Pair) -> f64 {
    let metres = one.distance_to(next);
    if metres > FASTEST * seconds(next.time - one.time) {
        return 0.0;
    }
    metres
}

/// A span of microseconds in seconds.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^52")]
pub(super) fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day at 1 Hz and more, along a circle of 3 km.
    fn circle(chosen: Chosen) -> Vec<Segment> {
        let mut line = Line::new(chosen);
        for second in 0..300_000_i32 {
            let (sine, cosine) = (f64::from(second) / 300.0).sin_cos();
            line.take(Point::of(Pair {
                latitude: 45.0 + 3000.0 * sine / 111_195.0,
                longitude: 13.0 + 3000.0 * cosine / 78_627.0,
                time: i64::from(second) * SECOND,
            }));
            assert!(chosen == Chosen::All || line.len() <= MANY, "{}", line.len());
        }
        line.finish("lada")
    }

    #[test]
    fn few_points_of_many_are_near_all_of_them() {
        let all = circle(Chosen::All);
        for chosen in [Chosen::Within(20.0), Chosen::Most(10_000)] {
            let mut few = circle(chosen);
            choose(&mut few, chosen);
            assert_eq!((few.len(), few[0].from, few[0].to), (1, all[0].from, all[0].to));
            assert_eq!(
                (few[0].distance, few[0].moving_time),
                (all[0].distance, all[0].moving_time)
            );
            assert!(
                (1000..=10_000).contains(&few[0].points.len()),
                "{}",
                few[0].points.len()
            );
        }
    }

    #[test]
    fn long_intervals_join_parts() {
        // Each 5 minutes: 50 minutes are no gap, 51 are one.
        let mut line = Line::new(Chosen::All);
        let mut minute = 0_i32;
        for wait in [0, 5, 5, 5, 5, 5, 50, 5, 51, 5] {
            minute += wait;
            line.take(Point::of(Pair {
                latitude: 45.0 + f64::from(minute) / 100.0,
                longitude: 13.0,
                time: i64::from(minute) * 60 * SECOND,
            }));
        }
        let segments = line.finish("lada");
        let told: Vec<(usize, i64)> = segments
            .iter()
            .map(|segment| (segment.points.len(), segment.moving_time / SECOND / 60))
            .collect();
        assert_eq!(told, [(8, 80), (2, 5)]);
    }

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
