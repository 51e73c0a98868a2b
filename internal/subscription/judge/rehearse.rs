//! What a rule would have told of a span, had it been in force and the readings come in order. Tells nothing.

use super::firing::{Firing, Kind};
use super::moments::{self, Readings};
use super::runs::{Beginning, Machine, Touched};
use super::table::{self, Table};
use super::told::Told;
use super::window::{self, Span};
use super::{Device, readings};
use crate::devices;
use crate::rule::Areas;
use crate::rule::{Judged, Rule};
use crate::subscription::Fire;
use filter::Value;
use reading::pattern;
use tokio_postgres::{Error, Transaction};

/// How much is read at once.
const PIECE: i64 = 6 * 3600 * 1_000_000;

/// Most rows that a rehearsal reads.
const MOST: u64 = 5_000_000;

/// What a rehearsal found.
pub(crate) enum Rehearsed {
    /// The devices with their events, in order of time.
    Done(Vec<(String, Firing)>),
    /// The span holds too many readings.
    TooMuch,
    /// A filter names this area, which is not there.
    NoArea(String),
}

/// Judges all devices of a rule between two times. Begins `lookback` earlier, so that runs are known.
pub(crate) async fn rehearse(
    transaction: &Transaction<'_>,
    rule: &Rule,
    areas: &Areas,
    span: Span,
    lookback: i64,
) -> Result<Rehearsed, Error> {
    if let Some(area) = rule.missing_area(areas) {
        return Ok(Rehearsed::NoArea(area.to_owned()));
    }
    let mut events = Vec::new();
    let mut rows = 0;
    for (name, series) in devices::all(transaction, &rule.watched()).await? {
        if !pattern::fits(&rule.subscription.device, &name) {
            continue;
        }
        let device = Device {
            name: &name,
            series: &series,
        };
        let (ids, _) = device.watched_by(rule);
        let mut rehearsal = Rehearsal {
            rule,
            areas,
            span,
            machine: Machine::new(Beginning::First),
            told: Told::default(),
            firings: Vec::new(),
        };
        let mut first = span.first.saturating_sub(lookback);
        let mut is_empty = true;
        while first <= span.last {
            // Years without readings are not read piece by piece.
            if is_empty {
                let before = first.saturating_sub(rule.margin()).saturating_sub(1);
                match table::nearest(transaction, &ids, before, false).await? {
                    Some(next) if next <= span.last => first = first.max(next),
                    _ => break,
                }
            }
            let last = first.saturating_add(PIECE - 1).min(span.last);
            // Pairs of coordinates are decided by what comes after them, too.
            let read = Span {
                first: first.saturating_sub(rule.margin()),
                last: last.saturating_add(rule.margin()),
            };
            let mut table = Table::default();
            table.load(transaction, &ids, read).await?;
            is_empty = table.rows() == 0;
            rows += table.rows();
            if rows > MOST {
                return Ok(Rehearsed::TooMuch);
            }
            rehearsal.take(&readings(rule, &device, &table, read), first, last);
            first = last.saturating_add(1);
        }
        rehearsal.end();
        events.extend(rehearsal.firings.into_iter().map(|firing| (name.clone(), firing)));
    }
    events.sort_by_key(|(_, firing)| firing.moment);
    Ok(Rehearsed::Done(events))
}

struct Rehearsal<'a> {
    rule: &'a Rule,
    areas: &'a Areas,
    span: Span,
    machine: Machine,
    told: Told,
    firings: Vec<Firing>,
}

impl Rehearsal<'_> {
    fn take(&mut self, readings: &Readings<'_>, first: i64, last: i64) {
        let rule = self.rule;
        moments::each(rule, readings, first, |moment| {
            if moment.time > last {
                return;
            }
            let Judged::State(state) = rule.judge(moment, self.areas, Some(self.machine.is_on())) else {
                return;
            };
            if rule.subscription.fire == Fire::Each && state == Value::Bool(true) {
                let firing = Firing {
                    kind: Kind::Each,
                    moment: moment.time,
                    state: state.clone(),
                    since: moment.time,
                    values: window::values(rule, moment),
                };
                self.fire(firing);
            }
            let mut fired = None;
            self.machine.take(
                &rule.subscription,
                moment.time,
                state,
                || window::values(rule, moment),
                |decision| fired = decision.fires(EVERYTHING, &Told::default()),
            );
            if let Some(fired) = fired {
                self.fire(fired);
            }
        });
    }

    fn end(&mut self) {
        let last = self
            .machine
            .decision()
            .and_then(|decision| decision.fires(EVERYTHING, &Told::default()));
        if let Some(last) = last {
            self.fire(last);
        }
    }

    fn fire(&mut self, firing: Firing) {
        let every = self.rule.subscription.every;
        if every.is_some_and(|every| self.told.is_near(firing.moment, every)) {
            return;
        }
        self.told.add(firing.kind, firing.moment, false);
        if (self.span.first..=self.span.last).contains(&firing.moment) {
            self.firings.push(firing);
        }
    }
}

const EVERYTHING: Touched = Touched {
    before: i64::MIN,
    after: i64::MAX,
};
