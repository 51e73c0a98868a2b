//! How far a search in time goes.

use reading::time::DAY;

/// Earlier than every reading, in microseconds since 1970-01-01 UTC. It is in the year before the calendar of
/// RFC 3339 begins. PostgreSQL accepts it.
pub(crate) const BEGINNING: i64 = -62_198_755_200_000_000;

/// Growth of the window after an empty one.
const WIDER: i64 = 8;

/// How far a search in time goes, in microseconds, mostly back.
///
/// A search without a bound would be planned for every month that has a partition. So it goes in
/// windows. The first is a day and touches two months at most. While windows are empty, the next one is
/// wider, and eight reach back to the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach(i64);

impl Default for Reach {
    fn default() -> Self {
        Self(DAY)
    }
}

impl Reach {
    /// The beginning of the window that ends at `before`.
    pub(crate) fn since(self, before: i64) -> i64 {
        before.saturating_sub(self.0).max(BEGINNING)
    }

    /// The end of the window that begins at `since`.
    pub(crate) fn until(self, since: i64) -> i64 {
        since.saturating_add(self.0)
    }

    /// Makes a reach of `span`, at most that of the first window.
    pub(crate) fn near(span: i64) -> Self {
        Self(span.clamp(1, DAY))
    }

    /// Whether it is wider than the first window.
    pub(crate) fn is_far(self) -> bool {
        self.0 > DAY
    }

    /// Widens the next window.
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
