//! Moments as people and programs write them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// What to write.
const HELP: &str =
    "write a date (2019-09-22), a time (2019-09-22T10:00:00Z, 2019-09-22 10:00), or seconds or milliseconds since 1970";

/// Above this, a number is milliseconds since 1970: as seconds it would be past the year 5000.
const SECONDS: i64 = 100_000_000_000;

/// The years 1 to 9999, in milliseconds since 1970, but for the last day: some zones have it a day later.
const CALENDAR: std::ops::Range<i64> = -62_135_596_800_000..253_402_214_400_000;

/// A moment, in whole milliseconds since 1970. Texts without an offset are UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    fn of_number(number: i64) -> Option<Self> {
        let is_seconds = (-SECONDS..SECONDS).contains(&number);
        Self::within(if is_seconds { number * 1000 } else { number })
    }

    /// A moment of the years 1 to 9999.
    fn within(milliseconds: i64) -> Option<Self> {
        CALENDAR.contains(&milliseconds).then_some(Self(milliseconds))
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse::<i64>() {
            return Self::of_number(number);
        }
        if let Some(micros) = reading::time::parse(text) {
            return Self::within(micros.div_euclid(1000));
        }
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Self::within(moment.as_microsecond().div_euclid(1000));
        }
        let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        Self::within(plain_time(text).and_then(utc)?.as_microsecond().div_euclid(1000))
    }
}

/// A date, or a date and a time, that says nothing of its offset; a date is its first moment. Other forms are none.
#[must_use]
pub fn plain_time(text: &str) -> Option<DateTime> {
    let text = text.trim();
    // The parsers would ignore an offset or a zone behind the time.
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"-:. Tt".contains(&byte));
    if !is_plain || text.matches('-').count() != 2 {
        return None;
    }
    if text.len() == 10 {
        let date: Date = text.parse().ok()?;
        return Some(date.to_datetime(jiff::civil::Time::midnight()));
    }
    text.parse().ok()
}

impl std::str::FromStr for Moment {
    /// What to write.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Self::parse(text).ok_or(HELP)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&reading::time::exact(self.0.saturating_mul(1000)))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// A text or a number.
struct Written;

impl Visitor<'_> for Written {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HELP)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
        Moment::parse(text).ok_or_else(|| E::custom(HELP))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Moment, E> {
        Moment::of_number(number).ok_or_else(|| E::custom(HELP))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Moment, E> {
        let moment = i64::try_from(number).ok().and_then(Moment::of_number);
        moment.ok_or_else(|| E::custom(HELP))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Moment, E> {
        // Seconds with a fraction, as some programs write them.
        #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^53")]
        let most = SECONDS as f64;
        if number.abs() < most {
            #[expect(clippy::cast_possible_truncation, reason = "it was compared with the bound")]
            return Moment::within((number * 1000.0).floor() as i64).ok_or_else(|| E::custom(HELP));
        }
        Err(E::custom(HELP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, expected) in [
            ("\"2019-09-22\"", "2019-09-22T00:00:00Z"),
            ("\"2019-09-22 10:00\"", "2019-09-22T10:00:00Z"),
            ("\"2019-09-22 10:00:30.5\"", "2019-09-22T10:00:30.500Z"),
            ("\"2019-09-22T10:00:00.1239Z\"", "2019-09-22T10:00:00.123Z"),
            ("\"2019-09-22T10:00:00+02:00\"", "2019-09-22T08:00:00Z"),
            ("\"2019-09-22 10:00:00+02:00\"", "2019-09-22T08:00:00Z"),
            ("\"2019-09-22T10:00+02:00\"", "2019-09-22T08:00:00Z"),
            ("\"2019-09-22T10:00:00+0200\"", "2019-09-22T08:00:00Z"),
            ("\"1569146400\"", "2019-09-22T10:00:00Z"),
            ("1569146400", "2019-09-22T10:00:00Z"),
            ("1569146400123", "2019-09-22T10:00:00.123Z"),
            ("1569146400.25", "2019-09-22T10:00:00.250Z"),
        ] {
            let moment: Moment = serde_json::from_str(text).unwrap();
            assert_eq!(moment.to_string(), expected, "{text}");
        }
        for wrong in [
            "\"\"",
            "\"today\"",
            "\"2019-13-01\"",
            "\"2019-09-22T\"",
            "null",
            "[]",
            "1e300",
            "9223372036854775807",
            "-9223372036854775808",
            "281474976710656",
            "\"2019-09-22T10:00[Europe/Zagreb]\"",
        ] {
            assert!(serde_json::from_str::<Moment>(wrong).is_err(), "{wrong}");
        }
    }
}
