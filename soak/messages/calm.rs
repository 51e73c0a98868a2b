//! Whether faults are under way. What a fault holds up is not late before it is over.

use super::clock::now;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// The faults under way.
#[derive(Debug, Default)]
pub(super) struct Calm {
    under_way: AtomicU32,
    /// When the last one was over.
    over: AtomicI64,
}

/// A fault that is under way until this is dropped.
pub(super) struct UnderWay<'a>(&'a Calm);

impl Calm {
    /// Notes that a fault begins.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay(self)
    }

    /// When the last fault was over; none while one is under way.
    pub(super) fn since(&self) -> Option<i64> {
        let is_calm = self.under_way.load(Ordering::SeqCst) == 0;
        is_calm.then(|| self.over.load(Ordering::SeqCst))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.over.store(now(), Ordering::SeqCst);
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}
