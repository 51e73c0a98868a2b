//! A trip while it is driven.
//!
//! A trip ends at its last moving moment, which is known only later. So sums run on, and a copy of them stands at the
//! last moving moment.

use super::fuel::Fuel;
use super::path::Path;
use super::thresholds::{Rules, speed};
use super::trip::{Bridged, Trip};
use reading::pairing::Pair;

/// A trip by places alone that gets no farther than this share of its distance is none.
const NOWHERE: f64 = 0.01;

/// A trip that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Drive {
    rules: Rules,
    /// The first moving moment.
    pub(super) start: i64,
    /// The last speed is moving.
    moving: bool,
    now: Sums,
    /// At the last moving moment.
    at_end: Sums,
    fuel: Fuel,
    path: Path,
    bridged: Vec<Bridged>,
}

/// What adds up on the way.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    time: i64,
    first: Option<Pair>,
    last: Option<Pair>,
    places: usize,
    /// The last place that ended a step.
    step: Option<Pair>,
    /// In metres, from step to step.
    distance: f64,
    /// In metres, by speeds.
    by_speed: f64,
    /// The same, up to the last place.
    seen: f64,
    /// In metres, by speeds where places were missing for long.
    unseen: f64,
    /// From the first place, in metres.
    farthest: f64,
    /// In microseconds.
    moving_time: i64,
    speed: Option<(i64, f64)>,
    /// A speed was read, not told by places.
    measured: bool,
    speeds: Speeds,
    bridged: usize,
}

/// The greatest of the medians of three speeds in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Speeds {
    before: Option<f64>,
    last: Option<f64>,
    top: Option<f64>,
}

impl Speeds {
    fn take(&mut self, speed: f64) {
        if let (Some(before), Some(last)) = (self.before, self.last) {
            let median = before.min(last).max(speed.min(before.max(last)));
            self.top = Some(self.top.map_or(median, |top: f64| top.max(median)));
        }
        (self.before, self.last) = (self.last, Some(speed));
    }

    /// With fewer than three speeds, the least of them.
    fn top(self) -> Option<f64> {
        let least = match (self.before, self.last) {
            (Some(before), Some(last)) => Some(before.min(last)),
            (_, last) => last,
        };
        self.top.or(least)
    }
}

impl Drive {
    /// Begins at a moving moment, at this place if it is known.
    pub(super) fn new(start: i64, place: Option<Pair>, rules: Rules) -> Self {
        let mut drive = Self {
            rules,
            start,
            moving: true,
            now: Sums::default(),
            at_end: Sums::default(),
            fuel: Fuel::new(start, &rules),
            path: Path::new(rules.path),
            bridged: Vec::new(),
        };
        if let Some(place) = place {
            drive.place(place);
        }
        drive
    }

    /// Takes a speed in km/h, which was read, or told by places.
    pub(super) fn speed(&mut self, time: i64, speed: f64, is_read: bool) {
        self.now.measured |= is_read;
        self.moving = speed >= self.rules.moving;
        if !self.moving {
            self.fuel.stopped(time);
        }
        if let Some((before, speed_before)) = self.now.speed
            && time - before <= self.rules.short_silence
        {
            let span = time - before;
            self.now.by_speed += f64::midpoint(speed_before, speed) * hours(span) * 1000.0;
            self.now.moving_time += if self.moving { span } else { 0 };
        }
        self.now.speed = Some((time, speed));
        self.now.speeds.take(speed);
    }

    /// Takes a place. An error of the receiver is left out.
    pub(super) fn place(&mut self, place: Pair) {
        let unseen = self.unseen(&self.now, place.time);
        let Some(step) = self.now.step else {
            self.now.first = Some(place);
            self.now.distance += unseen;
            self.now.unseen += unseen;
            return self.step(place);
        };
        // By the place before it: from a step of long ago, an error of many kilometres would be slow.
        let from = self.now.last.unwrap_or(step);
        let (metres, time) = (from.distance_to(place), place.time - from.time);
        if metres > 0.0 && (time <= 0 || speed(metres, time) > self.rules.fastest) {
            return;
        }
        let metres = step.distance_to(place);
        if let Some(first) = self.now.first {
            self.now.farthest = self.now.farthest.max(first.distance_to(place));
        }
        let straight = if self.moving && metres >= self.rules.step {
            metres
        } else {
            0.0
        };
        if straight.max(unseen) > 0.0 {
            self.now.distance += straight.max(unseen);
            self.now.unseen += unseen;
            self.step(place);
        } else {
            self.visit(place);
        }
    }

    /// The way by speeds from the last place to this time, if that is long.
    fn unseen(&self, sums: &Sums, time: i64) -> f64 {
        let since = sums.last.map_or(self.start, |place| place.time);
        if time - since > self.rules.short_silence {
            sums.by_speed - sums.seen
        } else {
            0.0
        }
    }

    fn visit(&mut self, place: Pair) {
        self.now.places += 1;
        self.now.last = Some(place);
        self.now.seen = self.now.by_speed;
        self.path.take(place);
    }

    fn step(&mut self, place: Pair) {
        self.visit(place);
        self.now.step = Some(place);
    }

    pub(super) fn fuel(&mut self, time: i64, value: f64) {
        self.fuel.take(time, value);
    }

    /// Tells that a silence did not end the trip.
    pub(super) fn bridge(&mut self, from: i64, to: i64) {
        // Those after the last moving moment count again if it goes on.
        self.bridged.push(Bridged { from, to });
        self.fuel.stopped(to);
        self.now.bridged = self.bridged.len();
    }

    /// Tells that the vehicle moves at this moment, after its place and its speed were taken.
    pub(super) fn moved(&mut self, time: i64) {
        self.now.time = time;
        self.fuel.moved(time);
        self.at_end = self.now;
    }

    /// What it holds, as [`Trip::weight`].
    pub(super) fn weight(&self) -> usize {
        1 + self.bridged.len() + self.path.len()
    }

    /// Ends at the last moving moment; none where that is no trip.
    pub(super) fn finish(mut self) -> Option<Trip> {
        let sums = self.at_end;
        let duration = sums.time - self.start;
        let has_places = sums.places >= 2;
        let rest = self.unseen(&sums, sums.time);
        let distance = if has_places {
            sums.distance + rest
        } else {
            sums.by_speed
        };
        // Where it was without places is unknown.
        let leaves = !has_places || sums.farthest.max(sums.unseen + rest) > self.rules.least_radius;
        // A parked vehicle's places wander far, but get nowhere.
        let wanders = has_places && !sums.measured && sums.farthest < distance * NOWHERE;
        if !leaves || wanders || distance < self.rules.least_distance || duration < self.rules.least_duration {
            return None;
        }
        self.bridged.truncate(sums.bridged);
        self.fuel.moved(sums.time);
        let (fuel, refuelled) = self.fuel.finish();
        Some(Trip {
            from: self.start,
            to: sums.time,
            start: sums.first,
            end: sums.last,
            distance,
            moving_time: sums.moving_time,
            top_speed: sums.speeds.top(),
            average_speed: speed(distance, duration),
            fuel,
            refuelled,
            bridged: self.bridged,
            path: self.path.finish(sums.last),
        })
    }
}

/// A span of microseconds in hours.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^52")]
fn hours(microseconds: i64) -> f64 {
    microseconds as f64 / 3.6e9
}
