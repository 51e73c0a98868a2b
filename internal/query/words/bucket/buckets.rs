//! A span of time, cut into buckets.

use super::width::Width;
use jiff::Timestamp;

/// A span of time and the buckets that cover it. The first one may begin before the span, and the last one end after
/// it. They hold only the readings within the span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// Inclusive, in microseconds since 1970-01-01 UTC, as all times here.
    pub(super) from: i64,
    /// Exclusive.
    pub(super) to: i64,
    /// Where each bucket begins, in order. A bucket ends where the next one begins, the last one at the end of the
    /// span.
    starts: Vec<i64>,
    /// The width, where all buckets have one and are aligned to the Unix epoch.
    pub(super) width: Option<i64>,
}

impl Buckets {
    /// Cuts a span, which must begin before it ends.
    ///
    /// # Errors
    /// The number of buckets if they are more than `most`.
    pub(crate) fn new(from: Timestamp, to: Timestamp, width: &Width, most: usize) -> Result<Self, usize> {
        let (begin, end) = (from.as_microsecond(), to.as_microsecond());
        // Where clocks are set back over midnight, the calendar may have one bucket more.
        let number = match width {
            Width::Every(width) => (end - 1).div_euclid(*width) - begin.div_euclid(*width) + 1,
            Width::Calendar(units, zone) => units.number(timestamp(end - 1), zone) - units.number(from, zone) + 1,
            Width::All => 1,
        };
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if number > most {
            return Err(number);
        }
        Ok(match width {
            Width::Every(width) => Self::even(from, to, *width),
            Width::Calendar(units, zone) => {
                // One more on both sides: where clocks are set back over midnight, the local date goes back, too.
                let numbers = units.number(from, zone) - 1..=units.number(timestamp(end - 1), zone) + 1;
                let mut starts: Vec<i64> = numbers
                    .filter_map(|number| Some(units.start(number, zone)?.as_microsecond()))
                    .filter(|start| *start < end)
                    .collect();
                // A day that a zone skipped begins where the next one does.
                starts.dedup();
                let first = starts.iter().rposition(|start| *start <= begin).unwrap_or(0);
                Self {
                    from: begin,
                    to: end,
                    starts: starts.split_off(first),
                    width: None,
                }
            }
            Width::All => Self {
                from: begin,
                to: end,
                starts: vec![begin],
                width: None,
            },
        })
    }

    /// Cuts a span into buckets of this width in microseconds. A bucket begins where the time since the Unix epoch
    /// divides by the width.
    pub(crate) fn even(from: Timestamp, to: Timestamp, width: i64) -> Self {
        let (from, to) = (from.as_microsecond(), to.as_microsecond());
        let first = from.div_euclid(width) * width;
        let starts = (0_i64..).map(|bucket| first + bucket * width);
        Self {
            from,
            to,
            starts: starts.take_while(|start| *start < to).collect(),
            width: Some(width),
        }
    }

    /// Number of buckets.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where each bucket begins, in order of time.
    pub(crate) fn starts(&self) -> impl Iterator<Item = Timestamp> {
        self.starts.iter().copied().map(timestamp)
    }

    /// Where each bucket ends, in order of time.
    pub(super) fn ends(&self) -> impl Iterator<Item = Timestamp> {
        let ends = self.starts.iter().skip(1).chain([&self.to]);
        ends.copied().map(timestamp)
    }

    /// The number of the bucket that begins at `start`.
    pub(super) fn number(&self, start: Timestamp) -> Option<usize> {
        self.starts.binary_search(&start.as_microsecond()).ok()
    }

    /// The earlier and the later half of the buckets, if there is more than one.
    pub(super) fn halves(mut self) -> (Self, Option<Self>) {
        let later = self.starts.split_off(self.len().div_ceil(2));
        let Some(middle) = later.first().copied() else {
            return (self, None);
        };
        let later = Self {
            from: middle,
            starts: later,
            ..self
        };
        self.to = middle;
        (self, Some(later))
    }
}

/// Buckets begin within the calendar, or before it by less than the calendar is long.
pub(super) fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests;
