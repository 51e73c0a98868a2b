//! Widths of buckets: a fixed time, units of the calendar in a zone, or the whole span.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use reading::time::{civil_from_days, days_from_civil};

/// The width of buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// This many microseconds, above 0. Aligned to the Unix epoch.
    Every(i64),
    /// Units of the calendar, from midnight to midnight in a zone.
    Calendar(Calendar, TimeZone),
    /// One bucket over the span.
    All,
}

/// Units of the calendar. Each holds a number above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calendar {
    /// Counted from 1970-01-01.
    Days(i64),
    /// From Monday, counted from the week of 1970-01-01.
    Weeks(i64),
    /// Counted from January of the year 0. A number that divides a year, or whole years.
    Months(i64),
}

impl Calendar {
    /// The number of the unit that holds the local date of a moment.
    pub(super) fn number(self, moment: Timestamp, zone: &TimeZone) -> i64 {
        let date = zone.to_datetime(moment).date();
        let (year, month) = (i64::from(date.year()), i64::from(date.month()));
        let days = days_from_civil(year, month, i64::from(date.day()));
        match self {
            Self::Days(days_of_unit) => days.div_euclid(days_of_unit),
            Self::Weeks(weeks) => (days + DAYS_FROM_MONDAY).div_euclid(7 * weeks),
            Self::Months(months) => (year * 12 + month - 1).div_euclid(months),
        }
    }

    /// The moment at which the unit of this number begins: the first midnight of its date, or the end of the gap where
    /// the zone's clocks skip midnight. None beyond the calendar.
    pub(super) fn start(self, number: i64, zone: &TimeZone) -> Option<Timestamp> {
        let (year, month, day) = match self {
            Self::Days(days) => civil_from_days(number * days),
            Self::Weeks(weeks) => civil_from_days(number * 7 * weeks - DAYS_FROM_MONDAY),
            Self::Months(months) => {
                let month = number * months;
                (month.div_euclid(12), month.rem_euclid(12) + 1, 1)
            }
        };
        let date = Date::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
        );
        let midnight = date.ok()?.to_zoned(zone.clone()).ok()?;
        Some(midnight.timestamp())
    }
}

/// 1970-01-01 is a Thursday.
const DAYS_FROM_MONDAY: i64 = 3;
