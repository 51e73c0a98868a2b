//! Follows a device through its runs: moments in a row with equal results.

use super::firing::{Firing, Kind};
use super::told::Told;
use crate::subscription::{Fire, Subscription};
use filter::Value;
use std::collections::BTreeMap;

/// Moments in a row with equal results.
#[derive(Clone, Debug)]
struct Run {
    state: Value,
    first: i64,
    last: i64,
    /// Since when it lasts without a silence.
    clock: i64,
    /// It has lasted long enough.
    lasted: bool,
    /// The last moment of the run before; the least time where that is unknown.
    after: i64,
    /// When the run before began, and so whether it lasted long enough, is not known: its beginning was not looked at.
    is_unsure: bool,
    /// From here on it is touched: where it may be the end of the run before, from that one's beginning.
    touched_from: i64,
    candidate: Option<Firing>,
}

/// What is known before the first moment of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// The device has no earlier moment.
    First,
    /// Earlier moments were not looked at.
    Unknown,
}

/// The state of a device for one rule after some moments.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    beginning: Beginning,
    run: Option<Run>,
    /// Runs that have ended, counted up to two: with one, the present one is known from its beginning.
    ended: u8,
}

/// Which runs may fire: those that hold a moment between the neighbours of a span, or a neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched {
    /// The last moment before the span.
    pub(super) before: i64,
    /// The first moment after it.
    pub(super) after: i64,
}

impl Machine {
    pub(super) fn new(beginning: Beginning) -> Self {
        Self {
            beginning,
            run: None,
            ended: 0,
        }
    }

    /// Whether the present run is true.
    pub(super) fn is_on(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.state == Value::Bool(true))
    }

    /// Whether the beginning of the present run is known.
    pub(super) fn is_known(&self) -> bool {
        self.ended > 0 || self.beginning == Beginning::First
    }

    /// Takes what is not known of the run before as it is: nothing earlier is looked at.
    pub(super) fn settle(&mut self) {
        if let Some(run) = &mut self.run {
            run.is_unsure = false;
        }
    }

    /// From when on told moments matter to the present run; none where it cannot fire.
    pub(super) fn told_since(&self) -> Option<i64> {
        self.run.as_ref().filter(|_| self.is_known()).map(|run| run.after)
    }

    /// The last moment.
    pub(super) fn last(&self) -> Option<i64> {
        self.run.as_ref().map(|run| run.last)
    }

    /// Takes the next moment. Gives the candidate of a run that it ends to `decide`.
    pub(super) fn take(
        &mut self,
        subscription: &Subscription,
        time: i64,
        state: Value,
        values: impl FnOnce() -> BTreeMap<String, f64>,
        decide: impl FnOnce(Decision),
    ) {
        let hold = subscription.hold;
        match &mut self.run {
            Some(run) if run.state == state => {
                if time - run.last > subscription.silence {
                    run.clock = time;
                }
                run.last = time;
                if !run.lasted && time - run.clock >= hold {
                    run.lasted = true;
                    if let Some(firing) = rise(subscription.fire, run, time, values) {
                        run.candidate = Some(firing);
                    }
                }
            }
            ended => {
                let ended = ended.take();
                let after = ended.as_ref().map_or(i64::MIN, |ended| ended.last);
                let mut run = Run {
                    state,
                    first: time,
                    last: time,
                    clock: time,
                    lasted: hold == 0,
                    after,
                    is_unsure: false,
                    touched_from: time,
                    candidate: None,
                };
                if let (Fire::Fall | Fire::Both, Some(ended)) = (subscription.fire, &ended) {
                    run.touched_from = ended.first;
                }
                let is_known = self.is_known();
                run.is_unsure = ended.is_some() && !is_known;
                let was = ended.map(|run| (run.state.clone(), run.first, run.lasted || !is_known, run));
                run.candidate = match (subscription.fire, &was) {
                    (Fire::Fall | Fire::Both, Some((Value::Bool(true), since, true, _))) => Some(Firing {
                        kind: Kind::Fall,
                        moment: time,
                        state: run.state.clone(),
                        since: *since,
                        values: values(),
                    }),
                    (Fire::Change, Some(_)) => Some(Firing {
                        kind: Kind::Change,
                        moment: time,
                        state: run.state.clone(),
                        since: time,
                        values: values(),
                    }),
                    (Fire::Rise | Fire::Both, _) if run.lasted => rise(subscription.fire, &run, time, values),
                    _ => None,
                };
                self.run = Some(run);
                if let Some((.., ended)) = was {
                    decide(Decision::of(ended, is_known));
                    self.ended = (self.ended + 1).min(2);
                }
            }
        }
    }

    /// Decides about the present run as it is.
    pub(super) fn decision(&self) -> Option<Decision> {
        let run = self.run.clone()?;
        Some(Decision {
            is_open: true,
            ..Decision::of(run, self.is_known())
        })
    }
}

fn rise(fire: Fire, run: &Run, time: i64, values: impl FnOnce() -> BTreeMap<String, f64>) -> Option<Firing> {
    let rises = matches!(fire, Fire::Rise | Fire::Both) && run.state == Value::Bool(true);
    rises.then(|| Firing {
        kind: Kind::Rise,
        moment: time,
        state: run.state.clone(),
        since: run.first,
        values: values(),
    })
}

/// A run that may fire.
#[derive(Debug)]
pub(super) struct Decision {
    firing: Option<Firing>,
    state: Value,
    lasted: bool,
    first: i64,
    last: i64,
    after: i64,
    is_unsure: bool,
    touched_from: i64,
    is_known: bool,
    /// No moment has ended it.
    is_open: bool,
}

impl Decision {
    fn of(run: Run, is_known: bool) -> Self {
        Self {
            firing: run.candidate,
            state: run.state,
            lasted: run.lasted,
            first: run.first,
            last: run.last,
            after: run.after,
            is_unsure: run.is_unsure,
            touched_from: run.touched_from,
            is_known,
            is_open: false,
        }
    }

    fn is_touched(&self, touched: Touched) -> bool {
        self.last >= touched.before && !self.is_beyond(touched)
    }

    /// Whether it, and so each later run, is after all that is touched.
    pub(super) fn is_beyond(&self, touched: Touched) -> bool {
        self.touched_from > touched.after
    }

    fn is_told(&self, kind: Kind, told: &Told) -> bool {
        // What lies before the first moment may be of another run.
        let first = if self.is_known {
            self.after.saturating_add(1)
        } else {
            self.first
        };
        told.is_any(kind, first, self.last)
    }

    /// Its last moment, if it began by the first moment after the span: then all of it was judged for the span.
    pub(super) fn judged_until(&self, touched: Touched) -> Option<i64> {
        (self.first <= touched.after).then_some(self.last)
    }

    /// Whether it tells the end of a run whose beginning decides, and is not known.
    pub(super) fn needs_beginning(&self, touched: Touched, told: &Told) -> bool {
        let falls = self.firing.as_ref().is_some_and(|firing| firing.kind == Kind::Fall);
        self.is_unsure && self.is_known && falls && self.is_touched(touched) && !self.is_told(Kind::Fall, told)
    }

    /// Whether it may fire, which moments before the first one decide.
    pub(super) fn needs_earlier(&self, subscription: &Subscription, touched: Touched, told: &Told) -> bool {
        if self.is_known || !self.is_touched(touched) {
            return false;
        }
        let is_on = self.state == Value::Bool(true);
        // It began before the span and goes on behind it, so it is the run that it was, and was judged before. Only how
        // long it has lasted may be new. Where nothing follows, moments behind it may have vanished: a coordinate that
        // comes late takes the other half of a pair. One of them may be the only one that was told.
        let kinds = Kind::all_of(subscription.fire).iter();
        let was_longer = || {
            kinds
                .copied()
                .any(|kind| told.is_any(kind, self.last.saturating_add(1), i64::MAX))
        };
        let is_whole = self.last >= touched.after || (self.is_open && !was_longer());
        if is_whole && (!is_on || subscription.hold == 0) {
            return false;
        }
        let rises = is_on && !self.is_told(Kind::Rise, told);
        let falls = if is_on {
            !self.lasted
        } else {
            !self.is_told(Kind::Fall, told)
        };
        match subscription.fire {
            Fire::Rise => rises,
            Fire::Fall => falls,
            Fire::Both => rises || falls,
            Fire::Change => !self.is_told(Kind::Change, told),
            Fire::Each | Fire::Quiet => false,
        }
    }

    /// Whether it may fire, or may not, by moments after the last one.
    pub(super) fn needs_later(&self, fire: Fire, touched: Touched, told: &Told) -> bool {
        if !self.is_touched(touched) {
            return false;
        }
        if matches!(fire, Fire::Fall | Fire::Both) && self.state == Value::Bool(true) {
            // Its end is a moment to be told.
            return true;
        }
        match &self.firing {
            Some(firing) => {
                let later = told.is_any(firing.kind, self.last.saturating_add(1), i64::MAX);
                self.is_known && later && !self.is_told(firing.kind, told)
            }
            None => matches!(fire, Fire::Rise | Fire::Both) && self.state == Value::Bool(true) && !self.lasted,
        }
    }

    /// The event to be made, unless the run is not touched, holds a told moment, or began before all that was looked
    /// at.
    pub(super) fn fires(self, touched: Touched, told: &Told) -> Option<Firing> {
        if !self.is_known || !self.is_touched(touched) {
            return None;
        }
        let firing = self.firing.clone()?;
        (!self.is_told(firing.kind, told)).then_some(firing)
    }
}
