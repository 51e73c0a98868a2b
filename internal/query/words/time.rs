//! Times in answers and requests.

use super::reach::BEGINNING;
use super::zone::Zone;
use jiff::Timestamp;
use jiff::civil::Date;
use reading::time::{DAY, SECOND};
use reading::{bad_time, time};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// Says what a time may be.
const HELP: &str = "write it as 2021-02-28T10:00:00Z, or with an offset, whose + is %2B in a URL; or write a date, such as 2021-02-28, or a span before now, such as -2h";

/// `jiff`'s calendar ends a day before RFC 3339's.
const BEYOND: &str = "beyond the last moment that can be asked for, 9999-12-30T22:00:00Z";

/// A moment in an answer. It is written as RFC 3339 in UTC with 0, 3 or 6 digits of a second, the shortest that is
/// exact to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&time::exact(self.0.as_microsecond()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time::exact(self.0.as_microsecond()))
    }
}

/// A time in a request. It is written back as it may be read again, the same text for the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum When {
    /// RFC 3339 with any offset.
    Moment(Timestamp),
    /// The first moment of a day in the request's zone.
    Date(Date),
    /// This many microseconds before the request.
    Ago(i64),
}

impl When {
    /// The moment that a request in this zone means at `now`; else why there is none.
    pub(crate) fn moment(self, now: Timestamp, zone: &Zone) -> Result<Timestamp, &'static str> {
        match self {
            Self::Moment(moment) => Ok(moment),
            Self::Date(date) => zone.first_of(date).ok_or(BEYOND),
            Self::Ago(span) => {
                let moment = now.as_microsecond().saturating_sub(span);
                let moment = Some(moment).filter(|moment| *moment >= BEGINNING);
                let moment = moment.and_then(|moment| Timestamp::from_microsecond(moment).ok());
                moment.ok_or("before the calendar begins: write a shorter span")
            }
        }
    }
}

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(span) = text.strip_prefix('-') {
            let span = microseconds(span).map(Self::Ago);
            return span.ok_or_else(|| {
                "not a span of time: write whole numbers of w, d, h, m, s or ms, such as -2h or -1h30m".to_owned()
            });
        }
        if let Some(date) = date(&text) {
            return Ok(Self::Date(date));
        }
        match time::parse(&text) {
            Some(moment) => Timestamp::from_microsecond(moment)
                .map(Self::Moment)
                .map_err(|_| BEYOND.to_owned()),
            // A bare + in a query string is a space, so a correct offset may still fail.
            None => Err(format!("{}; {HELP}", bad_time::malformed(&text))),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moment(moment) => write!(f, "{}", Time(*moment)),
            Self::Date(date) => write!(f, "{date}"),
            Self::Ago(span) => write!(f, "-{}ms", span / 1000),
        }
    }
}

/// A day of the calendar, as `YYYY-MM-DD` only: the parser of dates accepts more forms.
fn date(text: &str) -> Option<Date> {
    time::parse(&format!("{text}T00:00:00Z"))?;
    text.parse().ok()
}

/// A span of time such as `2h` or `1h30m`, in microseconds. A day has 24 hours.
fn microseconds(text: &str) -> Option<i64> {
    let mut span = 0_i64;
    let mut rest = text;
    loop {
        let unit = rest.find(|ch: char| !ch.is_ascii_digit())?;
        let number: i64 = rest[..unit].parse().ok()?;
        let end = rest[unit..].find(|ch: char| ch.is_ascii_digit());
        let end = end.map_or(rest.len(), |length| unit + length);
        let width = match &rest[unit..end] {
            "w" => 7 * DAY,
            "d" => DAY,
            "h" => 3600 * SECOND,
            "m" => 60 * SECOND,
            "s" => SECOND,
            "ms" => 1000,
            _ => return None,
        };
        span = span.checked_add(number.checked_mul(width)?)?;
        rest = &rest[end..];
        if rest.is_empty() {
            return Some(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// The moment that a request means, of one that came on 2021-03-28 at noon.
    fn read(text: &str, zone: &str) -> Option<String> {
        let zone = Zone::try_from(zone.to_owned()).unwrap();
        let now = "2021-03-28T12:00:00Z".parse().unwrap();
        let when = When::try_from(text.to_owned()).ok()?;
        when.moment(now, &zone).ok().map(|moment| Time(moment).to_string())
    }

    #[test]
    fn what_is_read() {
        for (text, expected) in [
            ("2012-04-23T18:25:43.511Z", Some("2012-04-23T18:25:43.511Z")),
            ("2012-04-23T20:25:43.511+02:00", Some("2012-04-23T18:25:43.511Z")),
            ("2012-04-23T20:25:43.511 02:00", None),
            ("2012-04-23", Some("2012-04-23T00:00:00Z")),
            ("0000-01-01", Some("0000-01-01T00:00:00Z")),
            ("-2h", Some("2021-03-28T10:00:00Z")),
            ("-1d", Some("2021-03-27T12:00:00Z")),
            ("-1w", Some("2021-03-21T12:00:00Z")),
            ("-1h30m", Some("2021-03-28T10:30:00Z")),
            ("-30s", Some("2021-03-28T11:59:30Z")),
            ("-250ms", Some("2021-03-28T11:59:59.750Z")),
            ("-0s", Some("2021-03-28T12:00:00Z")),
            ("9999-12-31T23:59:59Z", None),
            ("9999-12-31", None),
            ("-99999999h", None),
            ("-9223372036854775807w", None),
            // Nothing else.
            ("2h", None),
            ("+2h", None),
            ("-", None),
            ("-2", None),
            ("-h", None),
            ("-2H", None),
            ("-2 h", None),
            ("--2h", None),
            ("-1.5h", None),
            ("-1mo", None),
            ("-PT2H", None),
            ("now", None),
            ("2012-4-3", None),
            ("2012-02-30", None),
            ("20120423", None),
            ("2012-W17-1", None),
            ("1335205543", None),
            ("", None),
        ] {
            assert_eq!(read(text, "UTC").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_date_begins_in_its_zone() {
        for (date, zone, expected) in [
            ("2021-03-28", "Europe/Berlin", "2021-03-27T23:00:00Z"),
            // The day after the change of clocks.
            ("2021-03-29", "Europe/Berlin", "2021-03-28T22:00:00Z"),
            ("2021-03-28", "America/St_Johns", "2021-03-28T02:30:00Z"),
            ("2021-03-28", "Pacific/Kiritimati", "2021-03-27T10:00:00Z"),
            // There is no midnight: the day begins at one.
            ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),
            // There are two: the day begins at the first.
            ("2020-11-01", "America/Havana", "2020-11-01T04:00:00Z"),
        ] {
            assert_eq!(read(date, zone).as_deref(), Some(expected), "{date} {zone}");
        }
        // A zone does not change other times.
        assert_eq!(read("-1d", "Europe/Berlin").as_deref(), Some("2021-03-27T12:00:00Z"));
    }

    #[test]
    fn what_is_written_is_read() {
        for (text, written) in [
            ("2012-04-23T20:25:43.511+02:00", "2012-04-23T18:25:43.511Z"),
            ("2012-04-23", "2012-04-23"),
            ("-2h", "-7200000ms"),
            ("-120m", "-7200000ms"),
        ] {
            let when = When::try_from(text.to_owned()).unwrap();
            assert_eq!(when.to_string(), written);
            assert_eq!(When::try_from(written.to_owned()), Ok(when));
        }
    }

    #[test]
    fn a_reason_is_true() {
        let mut reasons = String::new();
        for text in [
            "9999-12-31T23:59:59Z",
            "2024-05-01T10:00:60Z",
            "2024-02-30T10:00:00Z",
            "2024-05-01T10:00:00",
            "tomorrow",
            "-2 hours",
        ] {
            let reason = When::try_from(text.to_owned()).unwrap_err();
            let _written = writeln!(reasons, "{text}\n    {reason}");
        }
        insta::assert_snapshot!(reasons);
    }
}
