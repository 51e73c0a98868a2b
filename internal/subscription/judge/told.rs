//! The moments whose runs make no further event.

use super::firing::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Told moments of one rule and device.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// By kind, with whether no event was made of it.
    moments: BTreeMap<Kind, BTreeMap<i64, bool>>,
    /// Those of which an event was made, of every kind.
    events: BTreeSet<i64>,
}

impl Told {
    pub(super) fn add(&mut self, kind: Kind, moment: i64, silent: bool) {
        self.moments.entry(kind).or_default().insert(moment, silent);
        if !silent {
            self.events.insert(moment);
        }
    }

    /// Whether there is a moment of this kind from `first` to `last`.
    pub(super) fn is_any(&self, kind: Kind, first: i64, last: i64) -> bool {
        let moments = self.moments.get(&kind);
        first <= last && moments.is_some_and(|moments| moments.range(first..=last).next().is_some())
    }

    /// Whether an event was made less than `every` before or after a moment.
    pub(super) fn is_near(&self, moment: i64, every: i64) -> bool {
        let near = moment.saturating_sub(every).saturating_add(1)..moment.saturating_add(every);
        !near.is_empty() && self.events.range(near).next().is_some()
    }

    pub(super) fn forget_before(&mut self, moment: i64) {
        for moments in self.moments.values_mut() {
            *moments = moments.split_off(&moment);
        }
        self.events = self.events.split_off(&moment);
    }
}
