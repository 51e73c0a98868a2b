//! The room of rejected lines among the dead letters.
//!
//! Rejected lines have a bound in bytes: a client that sends many of them must not fill the database. Refused
//! messages were accepted, and go by their age alone.

use crate::metrics::{Metrics, signed};
use std::sync::atomic::{AtomicU64, Ordering};

/// Rejected lines are measured each time they grow by this part of their limit. An eviction leaves one part
/// free.
const PARTS: u64 = 16;

/// The room of rejected lines.
#[derive(Debug)]
pub(super) struct Room {
    most: u64,
    /// Bytes that this process has stored since it last measured.
    unmeasured: AtomicU64,
}

impl Room {
    pub(super) fn new(most: u64, metrics: &Metrics) -> Self {
        metrics.line_max_bytes.set(signed(most));
        Self {
            most,
            // Nothing is measured yet.
            unmeasured: AtomicU64::new(most),
        }
    }

    /// The limit, in bytes.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// The bytes that an eviction leaves.
    pub(super) fn target(&self) -> u64 {
        self.most - self.most / PARTS
    }

    /// Notes that lines of so many bytes were stored. Returns whether to measure.
    pub(super) fn took(&self, bytes: u64) -> bool {
        let unmeasured = self
            .unmeasured
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        bytes > 0 && unmeasured >= self.most / PARTS
    }

    /// Bytes stored since the last measurement.
    pub(super) fn unmeasured(&self) -> u64 {
        self.unmeasured.load(Ordering::Relaxed)
    }

    /// Notes that so many of the unmeasured bytes were measured.
    pub(super) fn measured(&self, bytes: u64) {
        self.unmeasured.fetch_sub(bytes, Ordering::Relaxed);
    }
}
