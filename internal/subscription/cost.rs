//! How long a filter takes.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// One of so many evaluations is timed: the clock costs as much as a small filter.
const TIMED: u32 = 16;

/// So many are judged together.
const TOGETHER: u32 = 1000;

/// A filter is too slow if most of its evaluations take longer.
const LONGEST: Duration = Duration::from_micros(50);

/// How long a filter takes. Counts evaluations that take too long, instead of adding up: a busy machine interrupts a
/// few of them for long.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    evaluations: AtomicU32,
    timed: AtomicU32,
    slow: AtomicU32,
    is_too_high: AtomicBool,
}

impl Cost {
    /// Evaluates, and times that now and then.
    pub(crate) fn of<T>(&self, evaluate: impl FnOnce() -> T) -> T {
        if !self.evaluations.fetch_add(1, Ordering::Relaxed).is_multiple_of(TIMED) {
            return evaluate();
        }
        let begun = Instant::now();
        let value = evaluate();
        self.add(begun.elapsed());
        value
    }

    /// Adds the time of an evaluation.
    pub(crate) fn add(&self, time: Duration) {
        self.slow.fetch_add(u32::from(time > LONGEST), Ordering::Relaxed);
        if self.timed.fetch_add(1, Ordering::Relaxed) + 1 < TOGETHER {
            return;
        }
        self.timed.store(0, Ordering::Relaxed);
        if self.slow.swap(0, Ordering::Relaxed) > TOGETHER / 2 {
            self.is_too_high.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was too high once.
    pub(crate) fn is_too_high(&self) -> bool {
        self.is_too_high.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_too_slow_if_most_evaluations_are() {
        let cost = Cost::default();
        for number in 0..10 * TOGETHER {
            // A few take very long.
            cost.add(if number % 3 == 0 {
                Duration::from_secs(1)
            } else {
                LONGEST
            });
        }
        assert!(!cost.is_too_high());
        for number in 0..TOGETHER {
            cost.add(if number % 3 == 0 { Duration::ZERO } else { 2 * LONGEST });
        }
        assert!(cost.is_too_high());
    }

    #[test]
    fn evaluations_are_timed_now_and_then() {
        let cost = Cost::default();
        for number in 0..=TIMED {
            assert_eq!(cost.of(|| number), number);
        }
        assert_eq!(cost.timed.load(Ordering::Relaxed), 2);
    }
}
