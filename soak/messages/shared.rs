//! What the parts of a run share: the model, counts, mistakes, and when to stop.

use super::model::Model;
use super::wrong::Wrong;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts of the work.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Tries of calls, and those that were made because an earlier one was not answered for good.
    pub(super) tries: AtomicU64,
    pub(super) again: AtomicU64,
    /// Messages of acknowledged puts, and of those the ones that came under the name of an earlier one.
    pub(super) acknowledged: AtomicU64,
    pub(super) anew: AtomicU64,
    pub(super) deleted: AtomicU64,
    /// Puts that had to be refused for a conflict.
    pub(super) conflicts: AtomicU64,
    /// Puts at both servers at once, of the same and of different contents.
    pub(super) same: AtomicU64,
    pub(super) different: AtomicU64,
    /// Gets that were answered, and messages in these answers.
    pub(super) gets: AtomicU64,
    pub(super) found: AtomicU64,
    /// Messages that had to be in an answer, and that must not.
    pub(super) had: AtomicU64,
    pub(super) had_not: AtomicU64,
    /// Answered calls of Clean, and messages that they removed.
    pub(super) cleans: AtomicU64,
    pub(super) removed: AtomicU64,
    /// The longest that both servers took to answer after a fault, in milliseconds.
    pub(super) recovery: AtomicU64,
}

/// Adds to a count.
pub(super) fn count(total: &AtomicU64, more: usize) {
    total.fetch_add(more as u64, Ordering::Relaxed);
}

/// What the parts of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) model: Model,
    pub(super) counts: Counts,
    pub(super) wrong: Wrong,
    /// No more is to be put.
    pub(super) written: AtomicBool,
}

impl Shared {
    pub(super) fn new(seed: u64, writers: u32) -> Self {
        Self {
            model: Model::new(seed, writers),
            counts: Counts::default(),
            wrong: Wrong::default(),
            written: AtomicBool::new(false),
        }
    }
}
