//! Mistakes, by kind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Examples kept of each kind.
const EXAMPLES: u64 = 5;

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An acknowledged message was not answered, before its time was over.
    Missing,
    /// A message was answered after its time.
    Late,
    /// A message was answered that was deleted, or of a put that was refused.
    Gone,
    /// A message was answered twice, out of order, or unasked.
    Twice,
    /// A message was answered with other bytes than those of its last put.
    Other,
    /// A call was answered as it never should be.
    Answer,
    /// The disk held more than it may.
    Disk,
    /// A program ended by itself, or panicked.
    Program,
}

/// Number of kinds.
const KINDS: usize = Kind::Program as usize + 1;

/// Mistakes of a run.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    counts: [AtomicU64; KINDS],
    texts: Mutex<Vec<String>>,
}

impl Wrong {
    /// Counts a mistake, and keeps the first ones of each kind as examples.
    pub(super) fn add(&self, kind: Kind, text: String) {
        if self.counts[kind as usize].fetch_add(1, Ordering::Relaxed) < EXAMPLES {
            let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.push(text);
        }
    }

    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    /// The examples, in order of time.
    pub(super) fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
