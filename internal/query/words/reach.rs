//! How far a look back in time goes.

use reading::time::DAY;

/// Earlier than every reading, in microseconds since 1970-01-01 UTC: the year before the calendar
/// of RFC 3339 begins. PostgreSQL knows it.
pub(crate) const BEGINNING: i64 = -62_198_755_200_000_000;

/// How much farther the next look goes where one has found nothing.
const WIDER: i64 = 8;

/// How far a look back in time goes, in microseconds.
///
/// A look without a lower bound would be planned for every month that has a partition. So it is done
/// in windows: the first is a day and touches two months at most; where they are empty, each is wider
/// than the one after it, and eight reach back to the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach(i64);

impl Default for Reach {
    fn default() -> Self {
        Self(DAY)
    }
}

impl Reach {
    /// Where the window begins that ends at this moment.
    pub(crate) fn since(self, before: i64) -> i64 {
        before.saturating_sub(self.0).max(BEGINNING)
    }

    /// As far as this, but no farther than the first look.
    pub(crate) fn near(span: i64) -> Self {
        Self(span.clamp(1, DAY))
    }

    /// Whether it goes farther than the first look.
    pub(crate) fn is_far(self) -> bool {
        self.0 > DAY
    }

    /// The next look goes farther.
    pub(crate) fn widen(&mut self) {
        self.0 = self.0.saturating_mul(WIDER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reading::time;

    #[test]
    fn eight_windows_reach_the_beginning() {
        let (mut reach, mut before, mut windows) = (Reach::default(), time::now(), 0);
        while before > BEGINNING {
            let since = reach.since(before);
            assert!(since < before);
            before = since;
            reach.widen();
            windows += 1;
        }
        assert_eq!(windows, 8);
    }
}
