//! Event times as text and as microseconds.
//!
//! RFC 3339 only: `jiff`'s own parser also accepts the wider ISO 8601 and turns second 60 into 59, and this
//! runs once a line.

use std::time::Duration;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;

/// Microseconds in a UTC day.
pub const DAY: i64 = 86_400 * SECOND;

/// The date of this release, 2026-11-01 at 00:00 UTC in microseconds since 1970. No right clock shows an
/// earlier one. CONTRIBUTING says when to move it.
pub const RELEASED: i64 = 1_793_491_200 * SECOND;

/// Parses an RFC 3339 timestamp with an offset into microseconds since 1970 UTC. Cuts further digits. `None`
/// where it is malformed, or no such moment exists.
pub fn parse(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    if b.len() < 20 {
        return None;
    }
    let digits = |from: usize, to: usize| -> Option<i64> {
        b[from..to].iter().try_fold(0_i64, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })
    };
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    if b[4] != b'-' || b[7] != b'-' || !matches!(b[10], b'T' | b't') || b[13] != b':' || b[16] != b':' {
        return None;
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0;
    if b[at] == b'.' {
        at += 1;
        let start = at;
        let mut scale = SECOND / 10;
        while b.get(at).is_some_and(u8::is_ascii_digit) {
            fraction += i64::from(b[at] - b'0') * scale;
            scale /= 10;
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    let offset = match (b.get(at)?, b.len() - at) {
        (b'Z' | b'z', 1) => 0,
        (sign @ (b'+' | b'-'), 6) if b[at + 3] == b':' => {
            let (hours, minutes) = (digits(at + 1, at + 3)?, digits(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3600 + minutes * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * SECOND + fraction)
}

/// The first moment of the year 9999, which programs write for "no time": 9999-12-31.
pub const END: i64 = 2_932_532 * DAY;

/// Days from 1970-01-01 to this date of the Gregorian calendar.
#[inline]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years start in March, so that the leap day is a year's last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The UTC year and month of a timestamp.
pub fn month_of(timestamp: i64) -> (i64, i64) {
    let (year, month, _) = civil_from_days(timestamp.div_euclid(DAY));
    (year, month)
}

/// The date (year, month, day) this many days after 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The present moment, in microseconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// Bytes of a timestamp as text: `2012-04-23T18:25:43.511999Z`.
const LONGEST: usize = 27;

/// A timestamp as text for people, to the second.
pub fn text(moment: i64) -> String {
    exact(moment - moment.rem_euclid(SECOND))
}

/// A timestamp as RFC 3339 in UTC with 0, 3 or 6 digits of a second, the shortest that is exact.
pub fn exact(moment: i64) -> String {
    // A track has one for each point: one allocation, and no formatter.
    let mut text = Vec::with_capacity(LONGEST);
    write_date(moment, &mut text);
    write_time_of_day(moment.rem_euclid(DAY), &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The date of a timestamp, and the `T` behind it.
pub(crate) fn date(moment: i64) -> String {
    let mut text = Vec::with_capacity(LONGEST);
    write_date(moment, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

fn write_date(moment: i64, to: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(moment.div_euclid(DAY));
    if (0..=9999).contains(&year) {
        let mut text = *b"0000-00-00T";
        digits(year, &mut text[..4]);
        digits(month, &mut text[5..7]);
        digits(day, &mut text[8..10]);
        to.extend_from_slice(&text);
    } else {
        to.extend_from_slice(format!("{year:04}-{month:02}-{day:02}T").as_bytes());
    }
}

/// Appends `18:25:43.511Z` for microseconds since midnight.
pub fn write_time_of_day(microseconds: i64, to: &mut Vec<u8>) {
    debug_assert!((0..DAY).contains(&microseconds), "{microseconds}");
    let (seconds, fraction) = (microseconds / SECOND, microseconds % SECOND);
    let mut text = *b"00:00:00.000000Z";
    digits(seconds / 3600, &mut text[..2]);
    digits(seconds / 60 % 60, &mut text[3..5]);
    digits(seconds % 60, &mut text[6..8]);
    digits(fraction, &mut text[9..15]);
    let end = match fraction {
        0 => 8,
        fraction if fraction % 1000 == 0 => 12,
        _ => 15,
    };
    text[end] = b'Z';
    to.extend_from_slice(&text[..=end]);
}

/// Fills these digits with the last ones of a number.
fn digits(mut number: i64, to: &mut [u8]) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// Microseconds of a span, at most `i64::MAX`.
pub fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bad_time;
    use proptest::prelude::*;
    use std::fmt::Write;

    #[test]
    fn the_release_is_not_in_the_future() {
        assert!(RELEASED < now(), "{}", text(RELEASED));
        assert_eq!(text(RELEASED), "2026-11-01T00:00:00Z");
    }

    #[test]
    fn dates_there_and_back() {
        for days in (-719_162..2_932_897).step_by(13) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!((1..=days_in(year, month)).contains(&day), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn known_moments() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2012-04-23T18:25:43.511Z", 1_335_205_543_511_000),
            ("2012-04-23t20:25:43.511+02:00", 1_335_205_543_511_000),
            ("2012-04-23T18:25:43.5119999Z", 1_335_205_543_511_999),
            ("2000-02-29T00:00:00-00:00", 951_782_400_000_000),
            ("1901-01-01T00:00:00Z", -2_177_452_800_000_000),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn not_rfc_3339() {
        for text in [
            "",
            "2012-04-23T18:25:43",
            "2012-04-23 18:25:43Z",
            "2012-04-23T18:25:60Z",
            "2012-04-23T24:00:00Z",
            "2021-02-30T00:00:00Z",
            "2021-13-01T00:00:00Z",
            "2012-04-23T18:25:43.Z",
            "2012-04-23T18:25:43,5Z",
            "2012-04-23T18:25:43+0200",
            "2012-04-23T18:25:43Z ",
            "2012-04-23T18:25:43Z[UTC]",
            "20120423T182543Z0000",
            "+12012-04-23T18:25:43Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn reasons() {
        assert_eq!(END, parse("9999-01-01T00:00:00Z").unwrap());
        let mut reasons = String::new();
        for text in [
            "2012-04-23T18:25:60Z",
            "2012-04-23T18:25:60.5+02:00",
            "2012-04-23T18:25:61Z",
            "2021-02-30T00:00:00Z",
            "2012-04-23T24:00:00Z",
            "2012-04-23T18:25:43",
            "2012-04-23T18:25:43.5",
            "2012-04-23",
            "9999-12-31",
            "2012-04-23T18:25:43+0200",
            "\u{661}012-04-23T18:25:43Z",
            "",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
            let _written = writeln!(reasons, "{text:?}\n    {}", bad_time::malformed(text));
        }
        insta::assert_snapshot!(reasons);
    }

    #[test]
    fn texts_are_the_shortest_that_are_exact() {
        for (moment, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (1_335_205_543_511_000, "2012-04-23T18:25:43.511Z"),
            (1_335_205_543_500_000, "2012-04-23T18:25:43.500Z"),
            (1_335_205_543_511_100, "2012-04-23T18:25:43.511100Z"),
            (-500_000, "1969-12-31T23:59:59.500Z"),
            (DAY - 1, "1970-01-01T23:59:59.999999Z"),
            (days_from_civil(33, 4, 3) * DAY, "0033-04-03T00:00:00Z"),
            (days_from_civil(9999, 12, 31) * DAY, "9999-12-31T00:00:00Z"),
            (days_from_civil(10_000, 1, 1) * DAY, "10000-01-01T00:00:00Z"),
            (days_from_civil(-1, 1, 1) * DAY, "-001-01-01T00:00:00Z"),
        ] {
            assert_eq!(exact(moment), expected);
        }
        assert_eq!(text(1_335_205_543_511_000), "2012-04-23T18:25:43Z");
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let moment = jiff::Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(parse(&moment.to_string()), Some(micros));
            prop_assert_eq!(parse(&exact(micros)), Some(micros));
            let date = moment.to_zoned(jiff::tz::TimeZone::UTC).date();
            prop_assert_eq!(month_of(micros), (i64::from(date.year()), i64::from(date.month())));
            let days = days_from_civil(date.year().into(), date.month().into(), date.day().into());
            prop_assert_eq!(days, micros.div_euclid(DAY));
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            if parse(&text).is_none() {
                bad_time::malformed(&text);
            }
        }
    }
}
