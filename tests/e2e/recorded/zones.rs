//! Zones by a table of their offsets, and times as texts: no database of zones.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A zone, with its offsets from UTC in summer and in winter. They are right but for the weeks in which clocks change.
pub(super) struct Zone {
    pub(super) name: &'static str,
    /// In minutes, as the next one.
    summer: i64,
    winter: i64,
}

pub(super) const ZONES: [Zone; 4] = [
    Zone {
        name: "UTC",
        summer: 0,
        winter: 0,
    },
    Zone {
        name: "Europe/Berlin",
        summer: 120,
        winter: 60,
    },
    Zone {
        name: "America/St_Johns",
        summer: -150,
        winter: -210,
    },
    Zone {
        name: "Asia/Kathmandu",
        summer: 345,
        winter: 345,
    },
];

impl Zone {
    fn offset(&self, date: Date) -> i64 {
        let minutes = match date.month() {
            5..=9 => self.summer,
            12 | 1 | 2 => self.winter,
            _ => panic!("{date}: clocks may change in that month"),
        };
        minutes * 60_000_000
    }

    /// The date of a moment here.
    pub(super) fn date(&self, moment: i64) -> Date {
        utc_date(moment + self.offset(utc_date(moment)))
    }

    /// The moment at which a date begins here.
    pub(super) fn midnight(&self, date: Date) -> i64 {
        let utc = date.to_zoned(TimeZone::UTC).unwrap().timestamp();
        utc.as_microsecond() - self.offset(date)
    }
}

/// The date of a moment in UTC.
pub(super) fn utc_date(moment: i64) -> Date {
    timestamp(moment).to_zoned(TimeZone::UTC).date()
}

fn timestamp(moment: i64) -> Timestamp {
    Timestamp::from_microsecond(moment).unwrap()
}

/// The moment that a text says.
pub(super) fn moment(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

/// A moment as answers say it: with 0, 3 or 6 digits of a second.
pub(super) fn text(moment: i64) -> String {
    let part = moment.rem_euclid(1_000_000);
    let whole = timestamp(moment - part).to_string();
    let whole = whole.trim_end_matches('Z');
    match part {
        0 => format!("{whole}Z"),
        _ if part % 1000 == 0 => format!("{whole}.{:03}Z", part / 1000),
        _ => format!("{whole}.{part:06}Z"),
    }
}
