//! A UTC day.

use entry::Id;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A UTC day, written `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(Date);

/// Why a text is not a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DayError {
    /// The text does not have the form of a day.
    #[error("{0:?} is not a day; write YYYY-MM-DD, as in 2017-06-03")]
    Shape(String),
    /// The calendar has no such day.
    #[error("there is no such day as {0}")]
    Calendar(String),
}

impl Day {
    /// Microseconds in a day; a UTC day here has always the same length.
    pub const MICROSECONDS: i64 = 86_400_000_000;

    /// The day that holds this moment.
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.to_zoned(TimeZone::UTC).date())
    }

    /// The day before the one that holds this moment.
    pub fn before(moment: Timestamp) -> Self {
        Self::of(moment).previous()
    }

    /// The day before this one; for the calendar's first day, the same day.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1.day()))
    }

    /// The day after this one; for the calendar's last day, the same day.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1.day()))
    }

    /// The day this many days after 1970-01-01; none outside of the calendar.
    pub fn at(days: i64) -> Option<Self> {
        let date = Date::constant(1970, 1, 1).checked_add(SignedDuration::from_hours(days.checked_mul(24)?));
        date.ok().map(Self)
    }

    /// Its first moment, in microseconds since 1970-01-01 UTC.
    pub fn start(self) -> i64 {
        let since: SignedDuration = self.0.duration_since(Date::constant(1970, 1, 1));
        since.as_secs() * 1_000_000
    }

    /// Not above the id of any entry of this day, and above those of earlier days.
    pub(crate) fn first_id(self) -> Id {
        Id::first_of(self.start() / 1000)
    }

    /// Above the id of every entry of this day.
    pub(crate) fn next_id(self) -> Id {
        Id::first_of((self.start() + Self::MICROSECONDS) / 1000)
    }

    /// The day of the entry that has this id; none outside of the calendar.
    pub(crate) fn of_id(id: Id) -> Option<Self> {
        Self::at(id.moment().div_euclid(Self::MICROSECONDS / 1000))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let shape = || DayError::Shape(text.chars().take(32).collect());
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| {
                if at == 4 || at == 7 {
                    *byte == b'-'
                } else {
                    byte.is_ascii_digit()
                }
            });
        if !shaped {
            return Err(shape());
        }
        let number = |range: std::ops::Range<usize>| text[range].parse().map_err(|_| shape());
        let (month, day) = (number(5..7)?, number(8..10)?);
        let year = i16::from(number(0..2)?) * 100 + i16::from(number(2..4)?);
        match Date::new(year, month, day) {
            // PostgreSQL has no year 0.
            Ok(date) if year > 0 => Ok(Self(date)),
            _ => Err(DayError::Calendar(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_read_and_written() {
        for text in ["2017-06-03", "2024-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(day(text).to_string(), text);
        }
        for text in [
            "",
            "2017-6-3",
            "20170603",
            "2017-06-03T00:00:00Z",
            "yesterday",
            "-017-06-03",
            "2017/06/03",
            "２０17-0",
        ] {
            assert!(matches!(text.parse::<Day>(), Err(DayError::Shape(_))), "{text:?}");
        }
        for text in ["2017-02-29", "2017-13-01", "2017-00-10", "2017-04-31", "0000-01-01"] {
            assert_eq!(text.parse::<Day>(), Err(DayError::Calendar(text.to_owned())));
        }
    }

    #[test]
    fn days_know_their_moments_and_neighbours() {
        let moment: Timestamp = "2024-03-01T00:00:00Z".parse().unwrap();
        assert_eq!(Day::of(moment), day("2024-03-01"));
        assert_eq!(Day::before(moment), day("2024-02-29"));
        assert_eq!(day("2024-02-29").next(), Day::of(moment));
        assert_eq!(Day::of(moment).start(), moment.as_microsecond());
        assert_eq!(day("1969-12-31").start(), -Day::MICROSECONDS);
        assert_eq!(day("9999-12-31").start(), 253_402_214_400_000_000);
        assert_eq!(day("9999-12-31").next(), day("9999-12-31"));
        for known in ["1970-01-01", "2024-02-29", "9999-12-31"] {
            let known = day(known);
            assert_eq!(Day::of_id(known.first_id()), Some(known));
            assert!(known.first_id() < known.next_id() && Day::of_id(known.next_id()) != Some(known));
        }
    }
}
