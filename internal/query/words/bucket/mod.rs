//! Readings of a span of time, in buckets of equal width.
//!
//! The averages of a day and trends share this: the alignment of buckets, their functions, the filling of
//! empty ones, and the statements.

mod fill;
mod postgres;

pub(crate) use self::fill::Fill;

use self::fill::filled;
use super::Database;
use ::postgres::Error;
use jiff::Timestamp;

/// A span of time and the buckets that cover it, aligned to the Unix epoch. A bucket begins where the time
/// since then divides by the width. So the first one may begin before the span, and the last one end after
/// it. They hold only the readings within the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// Inclusive, in microseconds since 1970-01-01 UTC, as all times here.
    from: i64,
    /// Exclusive.
    to: i64,
    width: i64,
}

/// A function of the readings in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// Their average.
    Avg,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// Their number.
    Count,
    /// The value of the earliest; at equal times, of the device whose name is bytewise smaller.
    First,
    /// The value of the latest; at equal times, as above.
    Last,
}

/// A function's values in each bucket, in order of time; `None` without readings.
pub(crate) type Column = Vec<Option<f64>>;

/// Computes these functions of a sensor's readings in each bucket, of one device or of all. Returns a column
/// for each function, in their order, gaps filled.
///
/// Averages are right within 1e-9, relative to the largest of their readings, in any order of arrival. Memory
/// is bounded by the number of buckets.
///
/// # Errors
/// As [`super::query`].
pub(crate) async fn columns(
    database: &Database,
    sensor: &str,
    device: Option<&str>,
    buckets: Buckets,
    functions: &[Function],
    fill: Fill,
) -> Result<Vec<Column>, Error> {
    let series = postgres::series(database, sensor, device).await?;
    let columns = postgres::aggregates(database, &series, buckets, functions).await?;
    let begins_empty = columns.iter().any(|column| matches!(column.first(), Some(None)));
    let before = if fill == Fill::Previous && begins_empty && functions.iter().any(|function| function.is_value()) {
        postgres::last_before(database, &series, buckets.from).await?
    } else {
        None
    };
    let columns = functions.iter().zip(columns);
    Ok(columns
        .map(|(function, column)| filled(*function, &column, fill, before))
        .collect())
}

impl Function {
    /// Whether its value is in the unit of the readings, unlike a count.
    fn is_value(self) -> bool {
        self != Self::Count
    }
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
    fn first(&self) -> i64 {
        self.from.div_euclid(self.width) * self.width
    }

    /// The number of the bucket that begins at `start`.
    fn number(&self, start: Timestamp) -> Option<usize> {
        usize::try_from((start.as_microsecond() - self.first()) / self.width).ok()
    }

    /// The earlier and the later half of the buckets, if there is more than one.
    fn halves(self) -> (Self, Option<Self>) {
        let half = i64::try_from(self.len().div_ceil(2)).unwrap_or(i64::MAX);
        let middle = self.to.min(self.first() + half * self.width);
        let later = Self { from: middle, ..self };
        (Self { to: middle, ..self }, (middle < self.to).then_some(later))
    }
}

/// Buckets begin within the calendar, or before it by less than the calendar is long.
fn timestamp(microseconds: i64) -> Timestamp {
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
