//! The line of a reading, as dumps and generated drives have it:
//! `{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z","device":"lada"}`.
//!
//! The keys are in this order, without spaces. A number is the shortest that reads back as the same double.
//! Seconds have 0, 3 or 6 digits, the shortest that is exact.

use crate::time::{DAY, date, write_time_of_day};
use crate::{is_device, is_name};

/// Writes the readings of one series on one day. The constant parts of a line are prepared once; a line
/// allocates nothing.
#[derive(Debug)]
pub struct Line {
    /// Up to the value.
    head: Vec<u8>,
    /// From the value to the hour.
    middle: Vec<u8>,
    /// From the `Z` to the end.
    tail: Vec<u8>,
    start: i64,
}

impl Line {
    /// Makes the lines of this series on the day of this timestamp. The caller has checked both names. Without a
    /// device, the lines name none.
    pub fn new(day: i64, device: Option<&str>, sensor: &str) -> Self {
        // Valid names need no escaping.
        debug_assert!(device.is_none_or(is_device) && is_name(sensor), "{device:?} {sensor:?}");
        Self {
            head: format!("{{\"sensor\":\"{sensor}\",\"value\":").into_bytes(),
            middle: format!(",\"timestamp\":\"{}", date(day)).into_bytes(),
            tail: match device {
                Some(device) => format!("\",\"device\":\"{device}\"}}\n").into_bytes(),
                None => b"\"}\n".to_vec(),
            },
            start: day - day.rem_euclid(DAY),
        }
    }

    /// Appends a line. The timestamp is in microseconds since 1970 and within the day; the value
    /// is finite.
    pub fn write(&self, timestamp: i64, value: f64, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.head);
        number(value, to);
        to.extend_from_slice(&self.middle);
        write_time_of_day(timestamp - self.start, to);
        to.extend_from_slice(&self.tail);
    }
}

/// Appends the shortest number that reads back as the same double.
pub(crate) fn number(value: f64, to: &mut Vec<u8>) {
    debug_assert!(value.is_finite(), "{value}");
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    to.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;
    use proptest::prelude::*;

    const START: i64 = 1_335_139_200 * SECOND;

    fn line(timestamp: i64, value: f64) -> String {
        let mut out = Vec::new();
        Line::new(START, Some("lada"), "speed").write(START + timestamp, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_as_the_contract_has_it() {
        let expected =
            "{\"sensor\":\"speed\",\"value\":55.5,\"timestamp\":\"2012-04-23T18:25:43.511Z\",\"device\":\"lada\"}\n";
        assert_eq!(line(66_343_511_000, 55.5), expected);
    }

    #[test]
    fn numbers_are_the_shortest_that_read_back() {
        for (value, expected) in [
            (55.0, "55"),
            (55.5, "55.5"),
            (0.0, "0"),
            (-0.0, "-0"),
            (-1.25, "-1.25"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (1e300, "1e300"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (9_007_199_254_740_993.0, "9007199254740992"),
        ] {
            assert!(
                line(0, value).contains(&format!("\"value\":{expected},")),
                "{value}: {}",
                line(0, value)
            );
        }
    }

    proptest! {
        #[test]
        fn lines_read_back_as_they_were(bits: u64, microseconds in 0..DAY) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let line = line(microseconds, value);
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read["value"].as_f64().map(f64::to_bits), Some(bits));
            let moment: jiff::Timestamp = read["timestamp"].as_str().unwrap().parse().unwrap();
            prop_assert_eq!(moment.as_microsecond(), START + microseconds);
        }
    }
}
