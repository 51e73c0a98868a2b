//! The path of a trip, simplified while it comes.

use crate::words::simplify::Simplifier;
use reading::pairing::Pair;

/// The places of a trip without which its line would move too far.
#[derive(Clone, Debug)]
pub(super) struct Path {
    simplifier: Simplifier,
    kept: Vec<Pair>,
    last: Option<Pair>,
}

impl Path {
    /// Makes a path whose line moves by at most `tolerance` metres.
    pub(super) fn new(tolerance: f64) -> Self {
        Self {
            simplifier: Simplifier::new(tolerance),
            kept: Vec::new(),
            last: None,
        }
    }

    pub(super) fn take(&mut self, place: Pair) {
        let is_kept = self.simplifier.take(place);
        match self.last.replace(place) {
            Some(before) if is_kept => self.kept.push(before),
            Some(_) => {}
            None => self.kept.push(place),
        }
    }

    /// How many places are kept so far.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The path up to the trip's last place.
    pub(super) fn finish(mut self, end: Option<Pair>) -> Vec<Pair> {
        if let Some(end) = end {
            self.kept.retain(|place| place.time < end.time);
            self.kept.push(end);
        }
        self.kept
    }
}
