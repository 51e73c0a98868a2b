//! Times in requests and answers.

use jiff::Timestamp;
use reading::{bad_time, time};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// A moment. It is written as RFC 3339 in UTC with 0, 3 or 6 digits of a second, the shortest that is exact
/// to the microsecond. It is read as RFC 3339 with any offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Time(pub(crate) Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&time::exact(self.0.as_microsecond()))
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match time::parse(&text) {
            // `jiff`'s calendar ends a day before RFC 3339's.
            Some(moment) => Timestamp::from_microsecond(moment)
                .map(Self)
                .map_err(|_| "beyond the last moment that can be asked for, 9999-12-30T22:00:00Z".to_owned()),
            // A bare + in a query string is a space, so a correct offset may still fail.
            None => Err(format!(
                "{}; write it as 2021-02-28T10:00:00Z, or with an offset, whose + is %2B in a URL",
                bad_time::malformed(&text)
            )),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn what_is_written_is_read() {
        for (text, expected) in [
            ("2012-04-23T18:25:43.511Z", Some(1_335_205_543_511_000)),
            ("2012-04-23T20:25:43.511+02:00", Some(1_335_205_543_511_000)),
            ("2012-04-23T20:25:43.511 02:00", None),
            ("2012-04-23", None),
            ("9999-12-31T23:59:59Z", None),
            ("now", None),
        ] {
            let read = Time::try_from(text.to_owned()).ok();
            assert_eq!(read.map(|moment| moment.0.as_microsecond()), expected, "{text}");
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
        ] {
            let reason = Time::try_from(text.to_owned()).unwrap_err();
            let _written = writeln!(reasons, "{text}\n    {reason}");
        }
        insta::assert_snapshot!(reasons);
    }
}
