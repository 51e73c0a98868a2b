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

/// After this time, the rest waits for the next one. A lease lasts five seconds.
const TIME: Duration = Duration::from_secs(1);

/// If a single piece is slower than this, the next one is a quarter of it.
const SLOW: Duration = Duration::from_millis(1500);

/// How much one transaction judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    halvings: u32,
    time: Duration,
    /// Pieces that were judged so far.
    pieces: usize,
}

impl Default for Portion {
    fn default() -> Self {
        Self {
            halvings: 0,
            time: TIME,
            pieces: 0,
        }
    }
}

impl Portion {
    /// Whether it ends before the next piece, after so many rows and so much time.
    pub(crate) fn is_used_up(self, rows: u64, time: Duration) -> bool {
        rows >= ROWS >> self.halvings || (time >= self.time && self.pieces > 0)
    }

    /// Takes a piece.
    pub(crate) fn take(&mut self) {
        self.pieces += 1;
    }

    /// The longest span that is judged at once, in microseconds.
    pub(crate) fn piece(self) -> i64 {
        PIECE >> self.halvings
    }

    /// The next one, after a transaction that took this long. Small pieces cost more, so only a piece that is slow by
    /// itself is cut.
    pub(crate) fn after(self, took: Duration) -> Self {
        let halvings = if took > SLOW && self.pieces <= 1 {
            (self.halvings + 2).min(LEAST)
        } else {
            self.halvings.saturating_sub(1)
        };
        Self {
            halvings,
            pieces: 0,
            ..self
        }
    }

    /// The next one, after a transaction that failed, perhaps because it took too long.
    pub(crate) fn after_failure(self) -> Self {
        Self { pieces: 0, ..self }.after(Duration::MAX)
    }

    #[cfg(test)]
    pub(crate) fn least() -> Self {
        Self {
            halvings: LEAST,
            ..Self::default()
        }
    }

    /// One piece in each transaction.
    #[cfg(test)]
    pub(crate) fn of_one_piece() -> Self {
        Self {
            time: Duration::ZERO,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_pieces_are_cut_and_slow_transactions_end() {
        let mut portion = Portion::default();
        assert_eq!(portion.after(Duration::ZERO), portion);
        for expected in [PIECE / 4, PIECE / 16, PIECE / 16] {
            portion = portion.after_failure();
            assert_eq!(portion.piece(), expected);
        }
        assert_eq!(portion, Portion::least());
        assert!(portion.is_used_up(ROWS / 16, Duration::ZERO));
        assert!(!portion.is_used_up(0, SLOW), "at least one piece is judged");
        portion.take();
        assert!(portion.is_used_up(0, TIME));
        assert_eq!(portion.after(SLOW * 2), Portion::least(), "the piece was slow");
        portion.take();
        for _ in 0..LEAST {
            assert_ne!(portion, Portion::default());
            portion = portion.after(SLOW * 2);
            portion.take();
            portion.take();
        }
        assert_eq!(portion.after(Duration::ZERO), Portion::default());
    }
}
