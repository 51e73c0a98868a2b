//! How much one transaction of the evaluator judges. The lease is not renewed meanwhile, so what took long, or failed,
//! is tried with less.

use std::time::Duration;

/// Rows that one transaction reads, about, at the most.
const ROWS: u64 = 1_000_000;

/// The longest span that is judged at once, at the most, in microseconds.
const PIECE: i64 = 2 * 3600 * 1_000_000;

/// Halvings, at the most: then pieces are of 7.5 minutes. Smaller ones would cost more, for every piece reads what a
/// rule needs around it, too.
const LEAST: u32 = 4;

/// Slower than this, the next one judges a quarter. A lease lasts five seconds.
const SLOW: Duration = Duration::from_millis(1500);

/// Faster than this, the next one may judge twice as much.
const FAST: Duration = Duration::from_millis(400);

/// How much one transaction judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Portion {
    halvings: u32,
}

impl Portion {
    /// Rows after which it ends, with the next piece.
    pub(crate) fn rows(self) -> u64 {
        ROWS >> self.halvings
    }

    /// The longest span that is judged at once, in microseconds.
    pub(crate) fn piece(self) -> i64 {
        PIECE >> self.halvings
    }

    /// The next one, after a transaction that took this long.
    pub(crate) fn after(self, took: Duration) -> Self {
        let halvings = if took > SLOW {
            (self.halvings + 2).min(LEAST)
        } else if took < FAST {
            self.halvings.saturating_sub(1)
        } else {
            self.halvings
        };
        Self { halvings }
    }

    /// The next one, after a transaction that failed, perhaps because it took too long.
    pub(crate) fn after_failure(self) -> Self {
        self.after(Duration::MAX)
    }

    /// The least.
    #[cfg(test)]
    pub(crate) fn least() -> Self {
        Self { halvings: LEAST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_ones_make_it_small_and_fast_ones_large() {
        let mut portion = Portion::default();
        assert_eq!(portion.after(Duration::ZERO), portion);
        for expected in [250_000, 62_500, 62_500] {
            portion = portion.after_failure();
            assert_eq!(portion.rows(), expected);
        }
        assert_eq!(portion, Portion::least());
        assert!(portion.piece() > 0);
        assert_eq!(portion.after(Duration::from_secs(1)), portion);
        for _ in 0..LEAST {
            assert_ne!(portion, Portion::default());
            portion = portion.after(Duration::ZERO);
        }
        assert_eq!(portion, Portion::default());
    }
}
