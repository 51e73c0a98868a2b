//! A computation of events that shares nothing with the evaluator: over all readings of one device, from the first.

use super::{Noticed, event};
use std::collections::{BTreeMap, BTreeSet};

/// Readings by sensor and second.
type Stored = BTreeMap<(&'static str, i64), f64>;

pub(super) const LATITUDE: &str = "location_latitude";
pub(super) const LONGITUDE: &str = "location_longitude";

/// The places by their moments: each latitude with its nearest longitude, where that one's nearest is this latitude.
fn pairs(stored: &Stored, tolerance: i64) -> BTreeMap<i64, (f64, f64)> {
    let of = |axis: &'static str| stored.range((axis, i64::MIN)..=(axis, i64::MAX));
    let nearest = |axis, at: i64, prefers_later: bool| {
        of(axis)
            .map(|((_, other), _)| *other)
            .filter(|other| (other - at).abs() <= tolerance)
            .min_by_key(|other| ((other - at).abs(), (*other > at) != prefers_later))
    };
    let mut pairs = BTreeMap::new();
    for ((_, latitude), north) in of(LATITUDE) {
        if let Some(longitude) = nearest(LONGITUDE, *latitude, true)
            && nearest(LATITUDE, longitude, false) == Some(*latitude)
        {
            pairs.insert((*latitude).max(longitude), (*north, stored[&(LONGITUDE, longitude)]));
        }
    }
    pairs
}

/// A rule, and what it has told.
#[derive(Debug)]
pub(super) struct Episodes {
    filter: &'static str,
    fire: &'static str,
    hold: i64,
    silence: i64,
    tolerance: i64,
    every: Option<i64>,
    told: BTreeSet<(&'static str, i64)>,
}

/// Moments in a row with one result.
#[derive(Clone, Debug)]
struct Run {
    moments: Vec<i64>,
    state: i64,
}

impl Episodes {
    /// Reads a rule of the tests' table.
    pub(super) fn of(columns: &str, values: &'static str) -> Self {
        let seconds = |column: &str| -> Option<i64> {
            let at = columns.split(", ").position(|name| name == column)?;
            let value = values.split(", ").nth(at)?;
            value
                .trim_start_matches("interval '")
                .trim_end_matches(" s'")
                .parse()
                .ok()
        };
        let fire = ["both", "change", "each"]
            .into_iter()
            .find(|fire| values.contains(&format!("'{fire}'")));
        Self {
            filter: values,
            fire: fire.unwrap_or("rise"),
            hold: seconds("hold").unwrap_or(0),
            silence: seconds("silence").unwrap_or(60),
            tolerance: seconds("tolerance").unwrap_or(10),
            every: seconds("every"),
            told: BTreeSet::new(),
        }
    }

    /// The sensors that the filter names.
    fn sensors(&self) -> Vec<&'static str> {
        let mut sensors = Vec::new();
        if self.filter.contains("a >") || self.filter.contains("a /") {
            sensors.push("a");
        }
        if self.filter.contains("b <") {
            sensors.push("b");
        }
        if self.filter.contains("near") {
            sensors.extend([LATITUDE, LONGITUDE]);
        }
        sensors
    }

    /// Whether the device is near 45, 13 at a moment; none without a place.
    fn is_near(&self, pairs: &BTreeMap<i64, (f64, f64)>, at: i64) -> Option<bool> {
        let (_, place) = pairs.range(at - self.tolerance..=at).next_back()?;
        (*place != (0.0, 0.0)).then(|| (place.0 - 45.0).abs() < 0.005 && (place.1 - 13.0).abs() < 0.005)
    }

    /// The results at moments where the filter asks for a place.
    fn results_of_places(&self, stored: &Stored) -> Vec<(i64, i64)> {
        let pairs = pairs(stored, self.tolerance);
        let needs_a = self.filter.contains("a > 5.0");
        let mut moments: BTreeSet<i64> = pairs.keys().copied().collect();
        if needs_a {
            moments.extend(stored.keys().filter(|(sensor, _)| *sensor == "a").map(|(_, at)| *at));
        }
        let mut results = Vec::new();
        for at in moments {
            let mut past = stored.range(("a", at - self.tolerance)..=("a", at));
            let a = if needs_a {
                past.next_back().map(|(_, a)| *a > 5.0)
            } else {
                Some(true)
            };
            // A half that is false decides.
            match (self.is_near(&pairs, at), a) {
                (Some(false), _) | (_, Some(false)) => results.push((at, 0)),
                (Some(true), Some(true)) => results.push((at, 1)),
                _ => {}
            }
        }
        results
    }

    /// The results at all moments, in order.
    fn results(&self, stored: &Stored) -> Vec<(i64, i64)> {
        if self.filter.contains("near") {
            return self.results_of_places(stored);
        }
        let needs_b = self.filter.contains("b <");
        let moments: BTreeSet<i64> = stored
            .keys()
            .filter(|(sensor, _)| self.sensors().contains(sensor))
            .map(|(_, second)| *second)
            .collect();
        let value = |sensor: &'static str, at: i64| {
            let mut past = stored.range((sensor, at - self.tolerance)..=(sensor, at));
            past.next_back().map(|(_, value)| *value)
        };
        let mut on = 0;
        let mut results = Vec::new();
        for at in moments {
            if needs_b {
                // A half that is false decides, also where the other one is absent.
                let halves = (value("a", at).map(|a| a > 5.0), value("b", at).map(|b| b < 5.0));
                match halves {
                    (Some(false), _) | (_, Some(false)) => results.push((at, 0)),
                    (Some(true), Some(true)) => results.push((at, 1)),
                    _ => {}
                }
                continue;
            }
            let Some(a) = value("a", at) else { continue };
            let result = if self.filter.contains("a > 7.0") {
                on = i64::from(a > 7.0 || (on == 1 && a >= 3.0));
                on
            } else if self.filter.contains("int(") {
                #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
                let whole = (a / 4.0) as i64;
                whole
            } else if self.filter.contains("8.0") {
                i64::from(a > 8.0)
            } else {
                i64::from(a > 5.0)
            };
            results.push((at, result));
        }
        results
    }

    fn runs(&self, stored: &Stored) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (at, state) in self.results(stored) {
            match runs.last_mut() {
                Some(run) if run.state == state => run.moments.push(at),
                _ => runs.push(Run {
                    moments: vec![at],
                    state,
                }),
            }
        }
        runs
    }

    /// When a run has lasted long enough.
    fn lasted(&self, run: &Run) -> Option<i64> {
        let (mut clock, mut last) = (run.moments[0], run.moments[0]);
        for at in &run.moments {
            if at - last > self.silence {
                clock = *at;
            }
            last = *at;
            if at - clock >= self.hold {
                return Some(*at);
            }
        }
        None
    }

    /// The moments that qualify: kind, moment, and from when to when a told moment stands for it.
    fn qualifying(&self, stored: &Stored) -> Vec<(&'static str, i64, i64, i64)> {
        let runs = self.runs(stored);
        let mut all = Vec::new();
        for (number, run) in runs.iter().enumerate() {
            let before = number.checked_sub(1).map(|before| &runs[before]);
            let after = before.map_or(i64::MIN, |before| *before.moments.last().unwrap() + 1);
            let (first, last) = (run.moments[0], *run.moments.last().unwrap());
            if matches!(self.fire, "rise" | "both")
                && run.state == 1
                && let Some(at) = self.lasted(run)
            {
                all.push(("rise", at, after, last));
            }
            if self.fire == "both" && before.is_some_and(|before| before.state == 1 && self.lasted(before).is_some()) {
                all.push(("fall", first, after, last));
            }
            if self.fire == "change" && before.is_some() {
                all.push(("change", first, after, last));
            }
            if self.fire == "each" && run.state == 1 {
                all.extend(run.moments.iter().map(|at| ("each", *at, *at, *at)));
            }
        }
        all
    }

    /// What is told after readings arrived, given all that are stored.
    pub(super) fn after(&mut self, stored: &Stored, arrived: &[(&'static str, i64)]) -> Vec<Noticed> {
        let sensors = self.sensors();
        if !arrived.iter().any(|(sensor, _)| sensors.contains(sensor)) {
            return Vec::new();
        }
        let mut events = Vec::new();
        for (kind, at, first, last) in self.qualifying(stored) {
            let is_told = self
                .told
                .iter()
                .any(|(told, moment)| *told == kind && (first..=last).contains(moment));
            let is_near = self
                .every
                .is_some_and(|every| self.told.iter().any(|(_, moment)| (moment - at).abs() < every));
            if !is_told && !is_near {
                self.told.insert((kind, at));
                events.push(event(kind, "lada", at));
            }
        }
        events
    }

    /// Checks that every episode of what is stored was told, except those too near to another.
    pub(super) fn every_episode_is_told(&self, stored: &Stored) {
        for (kind, at, first, last) in self.qualifying(stored) {
            let is_told = self
                .told
                .iter()
                .any(|(told, moment)| *told == kind && (first..=last).contains(moment));
            let is_near = self
                .every
                .is_some_and(|every| self.told.iter().any(|(_, moment)| (moment - at).abs() < every));
            assert!(is_told || is_near, "{kind} at {at} of {self:?}");
        }
    }
}
