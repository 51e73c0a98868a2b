//! A computation of events that shares nothing with the evaluator: over all readings of one device, from the first.

use super::{Noticed, event};
use std::collections::{BTreeMap, BTreeSet};

/// Readings by sensor and second.
type Stored = BTreeMap<(&'static str, i64), f64>;

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

    /// The results at all moments, in order.
    fn results(&self, stored: &Stored) -> Vec<(i64, i64)> {
        let needs_b = self.filter.contains("b <");
        let moments: BTreeSet<i64> = stored
            .keys()
            .filter(|(sensor, _)| *sensor == "a" || needs_b)
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
        let needs_b = self.filter.contains("b <");
        if !arrived.iter().any(|(sensor, _)| *sensor == "a" || needs_b) {
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
