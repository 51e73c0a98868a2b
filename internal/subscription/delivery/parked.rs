//! Keys whose later deliveries are not in memory, so that one key does not fill it and hold back the others.

use super::queue::{Place, Queue};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Deliveries of a key that stay in memory when its others have to go.
const KEPT: usize = 16;

/// Most keys of a subscription that are parked.
const MOST: usize = 1024;

/// Deliveries of a key that are read again at once.
pub(super) const READ: usize = 256;

/// By lane and key, the first seq that is not in memory. What follows of the key was not read, or was read and
/// dropped.
#[derive(Debug, Default)]
pub(super) struct Parked(BTreeMap<(i16, Arc<str>), i64>);

impl Parked {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops the later deliveries of keys that have many in memory, or that wait for a retry.
    pub(super) fn make_room(&mut self, queue: &mut Queue) {
        let room = MOST.saturating_sub(self.0.len());
        for (key, (lane, seq)) in queue.shorten(KEPT, room) {
            let first = self.0.entry((lane, key)).or_insert(seq);
            *first = seq.min(*first);
        }
    }

    /// The first seq of a lane that is not in memory.
    pub(super) fn first(&self, lane: i16) -> Option<i64> {
        self.of(lane).map(|(_, seq)| seq).min()
    }

    /// The keys of a lane that are not to be read with the rest.
    pub(super) fn keys(&self, lane: i16) -> Vec<Arc<str>> {
        self.of(lane).map(|(key, _)| key.clone()).collect()
    }

    /// A key of a lane that needs more of its deliveries soon, and its first that is not in memory.
    pub(super) fn needs(&self, lane: i16, queue: &Queue) -> Option<(Arc<str>, i64)> {
        let mut keys = self.of(lane);
        keys.find(|(key, _)| queue.needs_more(key, KEPT / 2))
            .map(|(key, seq)| (key.clone(), seq))
    }

    /// Notes that deliveries of a key were read up to this one; none: there are no more.
    pub(super) fn read(&mut self, lane: i16, key: &Arc<str>, last: Option<Place>) {
        match last {
            Some((_, seq)) => drop(self.0.insert((lane, key.clone()), seq + 1)),
            None => drop(self.0.remove(&(lane, key.clone()))),
        }
    }

    fn of(&self, lane: i16) -> impl Iterator<Item = (&Arc<str>, i64)> {
        let all = self.0.iter().filter(move |((of, _), _)| *of == lane);
        all.map(|((_, key), seq)| (key, *seq))
    }
}
