//! A span of time, cut into buckets of equal width.

use jiff::Timestamp;

/// A span of time and the buckets that cover it, aligned to the Unix epoch. A bucket begins where the time
/// since then divides by the width. So the first one may begin before the span, and the last one end after
/// it. They hold only the readings within the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// Inclusive, in microseconds since 1970-01-01 UTC, as all times here.
    pub(super) from: i64,
    /// Exclusive.
    pub(super) to: i64,
    pub(super) width: i64,
}

impl Buckets {
    /// Makes buckets. The span must begin before it ends, and the width, in microseconds, must be above 0.
    pub(crate) fn new(from: Timestamp, to: Timestamp, width: i64) -> Self {
        Self {
            from: from.as_microsecond(),
            to: to.as_microsecond(),
            width,
        }
    }

    /// Number of buckets.
    pub(crate) fn len(&self) -> usize {
        let length = self.to.saturating_sub(self.first()).max(0);
        let begun = i64::from(length % self.width > 0);
        usize::try_from(length / self.width + begun).unwrap_or(usize::MAX)
    }

    /// Where each bucket begins, in order of time.
    pub(crate) fn starts(self) -> impl Iterator<Item = Timestamp> {
        let starts = (0_i64..).map(move |bucket| timestamp(self.first() + bucket * self.width));
        starts.take(self.len())
    }

    /// Where the first bucket begins.
    pub(super) fn first(&self) -> i64 {
        self.from.div_euclid(self.width) * self.width
    }

    /// The number of the bucket that begins at `start`.
    pub(super) fn number(&self, start: Timestamp) -> Option<usize> {
        usize::try_from((start.as_microsecond() - self.first()) / self.width).ok()
    }

    /// The earlier and the later half of the buckets, if there is more than one.
    pub(super) fn halves(self) -> (Self, Option<Self>) {
        let half = i64::try_from(self.len().div_ceil(2)).unwrap_or(i64::MAX);
        let middle = self.to.min(self.first() + half * self.width);
        let later = Self { from: middle, ..self };
        (Self { to: middle, ..self }, (middle < self.to).then_some(later))
    }
}

/// Buckets begin within the calendar, or before it by less than the calendar is long.
pub(super) fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(from: &str, to: &str, seconds: i64) -> Buckets {
        Buckets::new(from.parse().unwrap(), to.parse().unwrap(), seconds * 1_000_000)
    }

    #[test]
    fn they_are_aligned_and_cover_the_span() {
        for (from, to, seconds, expected) in [
            (
                "2021-02-28T10:00:00Z",
                "2021-02-28T10:30:00Z",
                900,
                vec!["2021-02-28T10:00:00Z", "2021-02-28T10:15:00Z"],
            ),
            (
                "2021-02-28T10:14:59.999999Z",
                "2021-02-28T10:15:00.000001Z",
                900,
                vec!["2021-02-28T10:00:00Z", "2021-02-28T10:15:00Z"],
            ),
            (
                "2021-02-28T10:01:00Z",
                "2021-02-28T10:02:00Z",
                86_400,
                vec!["2021-02-28T00:00:00Z"],
            ),
            // Seven seconds do not divide an hour: the epoch decides.
            (
                "1970-01-01T00:00:15Z",
                "1970-01-01T00:00:22Z",
                7,
                vec!["1970-01-01T00:00:14Z", "1970-01-01T00:00:21Z"],
            ),
            (
                "1969-12-31T23:59:59Z",
                "1970-01-01T00:00:01Z",
                60,
                vec!["1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z"],
            ),
        ] {
            let buckets = buckets(from, to, seconds);
            let starts: Vec<String> = buckets.starts().map(|start| start.to_string()).collect();
            assert_eq!(starts, expected, "{from} to {to}");
            assert_eq!(buckets.len(), expected.len(), "{from} to {to}");
            for (number, start) in buckets.starts().enumerate() {
                assert_eq!(buckets.number(start), Some(number));
            }
        }
    }

    #[test]
    fn halves_share_no_bucket_and_leave_none_out() {
        for (minutes, lengths) in [(1, (1, 0)), (15, (1, 1)), (31, (2, 1)), (60, (3, 2))] {
            let from: Timestamp = "2021-02-28T10:07:00Z".parse().unwrap();
            let to = Timestamp::from_second(from.as_second() + minutes * 60).unwrap();
            let all = Buckets::new(from, to, 900_000_000);
            let (earlier, later) = all.halves();
            let halves = [Some(earlier), later].into_iter().flatten();
            assert!(halves.flat_map(Buckets::starts).eq(all.starts()), "{minutes} minutes");
            assert_eq!((earlier.len(), later.map_or(0, |later| later.len())), lengths);
            assert_eq!(earlier.from, all.from);
            assert_eq!(later.map_or(all.to, |later| later.from), earlier.to);
            assert_eq!(later.unwrap_or(earlier).to, all.to);
        }
    }
}
