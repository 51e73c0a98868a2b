//! The events of one rule beside the final table: each run that qualifies must hold an event, and each event must be
//! about a moment of the table.
//!
//! Readings come in any order, and the rule is judged whenever some are stored. So a run of the final table may hold
//! several events: it was two runs once, before readings between them came. Where every reading counts by itself,
//! the events are exactly the true moments.

use super::rules::{Fire, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// Between two readings a silence above this, in microseconds, ends how long a run has lasted.
const SILENCE: i64 = 60_000_000;

/// Why an event was made; the part of its type that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Rise,
    Fall,
    Change,
    Each,
}

impl Kind {
    /// What has this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "rise" => Self::Rise,
            "fall" => Self::Fall,
            "change" => Self::Change,
            "each" => Self::Each,
            _ => return None,
        })
    }
}

/// The content of an event that was taken.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) state: bool,
    pub(super) value: f64,
}

/// The events of one device for one rule, by kind and moment in microseconds since 1970.
pub(super) type Events = BTreeMap<(Kind, i64), Event>;

/// Follows one device through the final table.
pub(super) struct Pass<'a> {
    rule: &'a Rule,
    device: &'a str,
    events: &'a Events,
    /// Moments with an event, by kind.
    moments: BTreeMap<Kind, BTreeSet<i64>>,
    /// Events whose moments were found.
    found: usize,
    run: Option<Run>,
    /// Events that have to be.
    expected: u64,
    wrong: Vec<String>,
    missing: u64,
}

#[derive(Clone, Copy)]
struct Run {
    state: bool,
    first: i64,
    last: i64,
    clock: i64,
    lasted: bool,
    /// The state before lasted long enough; none for the first run.
    before: Option<bool>,
}

/// What a pass has found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) expected: u64,
    pub(super) missing: u64,
    /// Missing events, and events that are not to be.
    pub(super) wrong: Vec<String>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(rule: &'a Rule, device: &'a str, events: &'a Events) -> Self {
        let mut moments: BTreeMap<Kind, BTreeSet<i64>> = BTreeMap::new();
        for (kind, moment) in events.keys() {
            moments.entry(*kind).or_default().insert(*moment);
        }
        Self {
            rule,
            device,
            events,
            moments,
            found: 0,
            run: None,
            expected: 0,
            wrong: Vec::new(),
            missing: 0,
        }
    }

    /// Takes the next reading, in order of time.
    pub(super) fn take(&mut self, time: i64, value: f64) {
        let state = value > self.rule.above;
        self.look(time, value, state);
        if self.rule.fire == Fire::Each {
            if state {
                self.expect(Kind::Each, time, time);
            }
            return;
        }
        let hold = self.rule.hold;
        match &mut self.run {
            Some(run) if run.state == state => {
                if time - run.last > SILENCE {
                    run.clock = time;
                }
                run.last = time;
                run.lasted |= time - run.clock >= hold;
            }
            ended => {
                let ended = ended.take();
                self.run = Some(Run {
                    state,
                    first: time,
                    last: time,
                    clock: time,
                    lasted: hold == 0,
                    before: ended.map(|run| run.lasted),
                });
                if let Some(run) = ended {
                    self.end(run);
                }
            }
        }
    }

    /// Checks the events at a moment of the table.
    fn look(&mut self, time: i64, value: f64, state: bool) {
        for kind in [Kind::Rise, Kind::Fall, Kind::Change, Kind::Each] {
            let Some(event) = self.events.get(&(kind, time)) else {
                continue;
            };
            self.found += 1;
            let is_right = match kind {
                Kind::Rise | Kind::Each => state,
                Kind::Fall => !state,
                Kind::Change => true,
            };
            if !is_right || event.state != state || event.value.to_bits() != value.to_bits() {
                self.wrong.push(format!(
                    "{} {} {kind:?} at {time}: the reading is {value}, the event {event:?}",
                    self.rule.name, self.device
                ));
            }
        }
    }

    /// Expects the events of a run that ends.
    fn end(&mut self, run: Run) {
        let (rises, falls) = match self.rule.fire {
            Fire::Rise => (true, false),
            Fire::Fall => (false, true),
            Fire::Both => (true, true),
            Fire::Change => {
                if run.before.is_some() {
                    self.expect(Kind::Change, run.first, run.last);
                }
                (false, false)
            }
            Fire::Each => (false, false),
        };
        if rises && run.state && run.lasted {
            self.expect(Kind::Rise, run.first, run.last);
        }
        if falls && !run.state && run.before == Some(true) {
            self.expect(Kind::Fall, run.first, run.last);
        }
    }

    fn expect(&mut self, kind: Kind, first: i64, last: i64) {
        self.expected += 1;
        let moments = self.moments.get(&kind);
        if moments.is_none_or(|moments| moments.range(first..=last).next().is_none()) {
            self.missing += 1;
            self.wrong.push(format!(
                "{} {}: no {kind:?} from {first} to {last}",
                self.rule.name, self.device
            ));
        }
    }

    /// Ends with the last reading.
    pub(super) fn finish(mut self) -> Outcome {
        if let Some(run) = self.run.take() {
            self.end(run);
        }
        if self.found < self.events.len() {
            self.wrong.push(format!(
                "{} {}: {} events of moments that are not in the table",
                self.rule.name,
                self.device,
                self.events.len() - self.found
            ));
        }
        Outcome {
            expected: self.expected,
            missing: self.missing,
            wrong: self.wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
    use super::*;

    fn rule(fire: Fire, hold: i64) -> Rule {
        Rule {
            name: "r",
            sensor: "s",
            above: 0.0,
            fire,
            hold,
            ordered: false,
        }
    }

    /// Readings `+` and `-` a microsecond apart, and events at such moments.
    fn outcome(fire: Fire, hold: i64, readings: &str, events: &[(Kind, i64)]) -> (u64, u64, usize) {
        let value = |sign: char| if sign == '+' { 1.0 } else { -1.0 };
        let rule = rule(fire, hold);
        let events = events.iter().map(|(kind, moment)| {
            let value = readings
                .chars()
                .nth(usize::try_from(*moment).unwrap())
                .map_or(0.0, value);
            let id = String::new();
            let state = value > 0.0;
            ((*kind, *moment), Event { id, state, value })
        });
        let events = events.collect();
        let mut pass = Pass::new(&rule, "d", &events);
        for (time, sign) in (0..).zip(readings.chars()) {
            pass.take(time, value(sign));
        }
        let outcome = pass.finish();
        (outcome.expected, outcome.missing, outcome.wrong.len())
    }

    #[test]
    fn each_run_holds_an_event_of_it() {
        use Kind::{Change, Each, Fall, Rise};
        type Case<'a> = (Fire, i64, &'a str, &'a [(Kind, i64)], (u64, u64, usize));
        let cases: [Case<'_>; 12] = [
            (Fire::Rise, 0, "-++-+", &[(Rise, 1), (Rise, 4)], (2, 0, 0)),
            (Fire::Rise, 0, "-++-+", &[(Rise, 1), (Rise, 2), (Rise, 4)], (2, 0, 0)),
            (Fire::Rise, 0, "-++-+", &[(Rise, 2)], (2, 1, 1)),
            (Fire::Rise, 0, "-++-+", &[(Rise, 1), (Rise, 3), (Rise, 4)], (2, 0, 1)),
            (Fire::Rise, 0, "-+", &[(Rise, 1), (Rise, 7)], (1, 0, 1)),
            (Fire::Rise, 2, "++-+++-", &[(Rise, 5)], (1, 0, 0)),
            (Fire::Fall, 0, "--+--", &[(Fall, 3)], (1, 0, 0)),
            (Fire::Fall, 0, "--+--", &[], (1, 1, 1)),
            (Fire::Both, 0, "-+-", &[(Rise, 1), (Fall, 2)], (2, 0, 0)),
            (Fire::Change, 0, "--+-", &[(Change, 2), (Change, 3)], (2, 0, 0)),
            (Fire::Each, 0, "+-+", &[(Each, 0), (Each, 2)], (2, 0, 0)),
            (Fire::Each, 0, "+-+", &[(Each, 0), (Each, 1)], (2, 1, 2)),
        ];
        for (fire, hold, readings, events, expected) in cases {
            assert_eq!(
                outcome(fire, hold, readings, events),
                expected,
                "{fire:?} {hold} {readings} {events:?}"
            );
        }
    }
}
