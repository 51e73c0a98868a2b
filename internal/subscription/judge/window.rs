//! Judges a span of a device's readings in a window around it.

use super::firing::{Firing, Kind};
use super::moments::{self, Readings};
use super::runs::{Beginning, Machine, Touched};
use super::told::Told;
use crate::rule::Areas;
use crate::rule::{Judged, Moment, Rule};
use crate::subscription::Fire;
use filter::Value;
use std::collections::BTreeMap;

/// A span of time, both ends included, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// Between which times the readings are all there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) span: Span,
    /// There are no earlier readings.
    pub(super) begins: bool,
    /// There are no later readings.
    pub(super) ends: bool,
    /// The window reaches as far back as readings are looked at.
    pub(super) is_farthest: bool,
}

/// What is known of a device as of a moment.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The moment.
    pub(super) at: i64,
    pub(super) machine: Machine,
}

/// What came of a window.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Earlier readings decide.
    Earlier,
    /// Later readings decide.
    Later,
    Done(Done),
}

/// What came of a window that decided.
#[derive(Debug)]
pub(super) struct Done {
    /// The events to be made, in order of time.
    pub(super) firings: Vec<Firing>,
    /// What is known a little before the end of the readings.
    pub(super) known: Option<State>,
    /// The last moment of the run that the span, or the first moment after it, is in. Other new readings before it
    /// change nothing: this run was judged with them. None where that is not known.
    pub(super) until: Option<i64>,
}

impl Rule {
    /// Around a moment: how far readings change what is known of others.
    ///
    /// A place holds for one tolerance, its two coordinates are up to one apart, and a coordinate up to one
    /// before them decides whether they are a pair.
    pub(super) fn margin(&self) -> i64 {
        let factor = if self.needs_place { 3 } else { 1 };
        self.subscription.tolerance.saturating_mul(factor)
    }

    /// At which moments new readings of a span may change results.
    pub(super) fn affected(&self, span: Span) -> Span {
        let before = if self.needs_place {
            self.subscription.tolerance
        } else {
            0
        };
        Span {
            first: span.first.saturating_sub(before),
            last: span.last.saturating_add(self.margin()),
        }
    }
}

/// Judges the moments that `affected` holds, and the runs that they touch, by the readings of a window.
pub(super) fn attempt(
    rule: &Rule,
    areas: &Areas,
    readings: &Readings<'_>,
    window: Window,
    known: Option<&State>,
    told: &Told,
    affected: Span,
) -> Attempt {
    let fire = rule.subscription.fire;
    let from = match known {
        Some(known) => known.at.saturating_add(1),
        None if window.begins => i64::MIN,
        None => window.span.first.saturating_add(rule.margin()),
    };
    let until = match (window.ends, rule.needs_place) {
        (true, _) => i64::MAX,
        (false, true) => window.span.last.saturating_sub(rule.margin()),
        (false, false) => window.span.last,
    };
    // What comes next may arrive in another order by as much.
    let kept_until = newest(readings).min(until).saturating_sub(rule.margin());
    let beginning = if window.begins {
        Beginning::First
    } else {
        Beginning::Unknown
    };
    let mut pass = Pass {
        machine: known.map_or_else(|| Machine::new(beginning), |known| known.machine.clone()),
        touched: Touched {
            before: known.map_or(i64::MIN, |known| known.at),
            after: i64::MAX,
        },
        firings: Vec::new(),
        needs_earlier: false,
        needs_beginning: false,
        is_over: false,
        until: None,
        kept: None,
    };
    let has_earlier = known.is_none() && !window.begins && !window.is_farthest;
    // What is known may begin in the middle of a run.
    let can_reach_back = has_earlier || known.is_some_and(|known| !known.machine.is_known());
    // Without earlier readings it was off.
    let mut undecided = has_earlier;
    moments::each(rule, readings, from, |moment| {
        if moment.time > until || pass.is_over {
            return;
        }
        let was_on = if undecided { None } else { Some(pass.machine.is_on()) };
        match rule.judge(moment, areas, was_on) {
            Judged::PassedOver => {}
            Judged::Undecided => {
                // Where a span follows, its first run is not known.
                pass.needs_earlier |= moment.time >= affected.first;
            }
            Judged::State(state) => {
                undecided = false;
                pass.take(rule, moment, state, affected, told, kept_until);
            }
        }
    });
    let needs_neighbour = !window.ends && !pass.is_over && pass.touched.after == i64::MAX;
    // The neighbour before the span.
    pass.needs_earlier |= pass.touched.before == i64::MIN;
    if let Some(decision) = pass.machine.decision()
        && !pass.is_over
    {
        pass.needs_earlier |= decision.needs_earlier(&rule.subscription, pass.touched, told);
        pass.needs_beginning |= decision.needs_beginning(pass.touched, told);
        if needs_neighbour || (!window.ends && decision.needs_later(fire, pass.touched, told)) {
            return if pass.reaches_back(known.is_some(), can_reach_back) {
                Attempt::Earlier
            } else {
                Attempt::Later
            };
        }
        pass.until = pass.until.max(decision.judged_until(pass.touched));
        pass.firings.extend(decision.fires(pass.touched, told));
    } else if needs_neighbour {
        return Attempt::Later;
    }
    if pass.reaches_back(known.is_some(), can_reach_back) {
        return Attempt::Earlier;
    }
    if window.is_farthest
        && let Some(kept) = &mut pass.kept
    {
        kept.machine.settle();
    }
    Attempt::Done(Done {
        firings: pass.firings,
        known: pass.kept.or_else(|| known.cloned()),
        // Single moments are judged in the span alone.
        until: pass.until.filter(|_| fire != Fire::Each),
    })
}

/// The time of the last reading.
fn newest(readings: &Readings<'_>) -> i64 {
    let places = readings
        .places
        .into_iter()
        .flat_map(|(latitudes, longitudes)| [latitudes, longitudes]);
    let lists = readings.sensors.iter().copied().chain(places);
    let newest = lists.filter_map(|points| points.last()).map(|point| point.timestamp);
    newest.max().unwrap_or(i64::MIN)
}

/// One way through the moments of a window.
struct Pass {
    machine: Machine,
    touched: Touched,
    firings: Vec<Firing>,
    needs_earlier: bool,
    /// See [`Decision::needs_beginning`](super::runs::Decision::needs_beginning).
    needs_beginning: bool,
    /// Later moments change nothing.
    is_over: bool,
    /// See [`Done::until`].
    until: Option<i64>,
    kept: Option<State>,
}

impl Pass {
    /// Whether earlier readings are to be looked at. What is known of a device replaces them, but for the beginning of
    /// its present run.
    fn reaches_back(&self, is_known: bool, can_reach_back: bool) -> bool {
        (self.needs_earlier && can_reach_back) || (self.needs_beginning && (is_known || can_reach_back))
    }

    fn take(&mut self, rule: &Rule, moment: &Moment<'_>, state: Value, affected: Span, told: &Told, kept_until: i64) {
        let fire = rule.subscription.fire;
        if moment.time > kept_until && self.kept.is_none() {
            self.kept = self.machine.last().map(|at| State {
                at,
                machine: self.machine.clone(),
            });
        }
        if moment.time < affected.first {
            self.touched.before = moment.time;
        } else if moment.time > affected.last && self.touched.after == i64::MAX {
            self.touched.after = moment.time;
        }
        if fire == Fire::Each
            && state == Value::Bool(true)
            && (affected.first..=affected.last).contains(&moment.time)
            && !told.is_any(Kind::Each, moment.time, moment.time)
        {
            self.firings.push(Firing {
                kind: Kind::Each,
                moment: moment.time,
                state: state.clone(),
                since: moment.time,
                values: values(rule, moment),
            });
        }
        let (touched, firings, needs_earlier) = (self.touched, &mut self.firings, &mut self.needs_earlier);
        let (is_over, until) = (&mut self.is_over, &mut self.until);
        let needs_beginning = &mut self.needs_beginning;
        self.machine.take(
            &rule.subscription,
            moment.time,
            state,
            || values(rule, moment),
            |decision| {
                *needs_earlier |= decision.needs_earlier(&rule.subscription, touched, told);
                *needs_beginning |= decision.needs_beginning(touched, told);
                *is_over |= decision.is_beyond(touched);
                *until = (*until).max(decision.judged_until(touched));
                firings.extend(decision.fires(touched, told));
            },
        );
    }
}

/// What the sensors say at a moment, and where the device is.
pub(super) fn values(rule: &Rule, moment: &Moment<'_>) -> BTreeMap<String, f64> {
    let sensors = rule.sensors.iter().zip(moment.values);
    let mut values: BTreeMap<String, f64> = sensors
        .filter_map(|(sensor, value)| Some((sensor.clone(), (*value)?)))
        .collect();
    if let Some(place) = moment.place {
        values.insert(crate::vocabulary::LATITUDE.to_owned(), place.latitude);
        values.insert(crate::vocabulary::LONGITUDE.to_owned(), place.longitude);
    }
    values
}
