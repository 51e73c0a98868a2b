//! The lines of a dump: `{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z","device":"lada"}`.
//!
//! The keys are in this order, without spaces. A number is the shortest that reads back as the same double.
//! Seconds have 0, 3 or 6 digits, the shortest that is exact.

use super::Day;
use reading::{is_device, is_name};

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
    /// Makes the lines of this series. The caller has checked both names.
    pub fn new(day: Day, device: &str, sensor: &str) -> Self {
        // Valid names need no escaping.
        debug_assert!(is_device(device) && is_name(sensor), "{device:?} {sensor:?}");
        Self {
            head: format!("{{\"sensor\":\"{sensor}\",\"value\":").into_bytes(),
            middle: format!(",\"timestamp\":\"{day}T").into_bytes(),
            tail: format!("\",\"device\":\"{device}\"}}\n").into_bytes(),
            start: day.start(),
        }
    }

    /// Appends a line. The timestamp is in microseconds since 1970 and within the day; the value
    /// is finite.
    pub fn write(&self, timestamp: i64, value: f64, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.head);
        number(value, to);
        to.extend_from_slice(&self.middle);
        time_of_day(timestamp - self.start, to);
        to.extend_from_slice(&self.tail);
    }
}

/// A timestamp in the format of lines and manifests.
pub(super) fn moment(day: Day, timestamp: i64) -> String {
    let mut text = format!("{day}T").into_bytes();
    time_of_day(timestamp - day.start(), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn number(value: f64, to: &mut Vec<u8>) {
    debug_assert!(value.is_finite(), "{value}");
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    to.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

/// `18:25:43.511Z` for microseconds since midnight.
fn time_of_day(microseconds: i64, to: &mut Vec<u8>) {
    debug_assert!((0..Day::MICROSECONDS).contains(&microseconds), "{microseconds}");
    let (seconds, fraction) = (microseconds / 1_000_000, microseconds % 1_000_000);
    digits(seconds / 3600, 2, to);
    to.push(b':');
    digits(seconds / 60 % 60, 2, to);
    to.push(b':');
    digits(seconds % 60, 2, to);
    if fraction != 0 {
        to.push(b'.');
        if fraction % 1000 == 0 {
            digits(fraction / 1000, 3, to);
        } else {
            digits(fraction, 6, to);
        }
    }
    to.push(b'Z');
}

fn digits(mut number: i64, width: usize, to: &mut Vec<u8>) {
    let end = to.len() + width;
    to.resize(end, b'0');
    for digit in to[end - width..].iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(timestamp: i64, value: f64) -> String {
        let mut out = Vec::new();
        let day: Day = "2012-04-23".parse().unwrap();
        Line::new(day, "lada", "speed").write(day.start() + timestamp, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_as_the_contract_has_it() {
        let expected =
            "{\"sensor\":\"speed\",\"value\":55.5,\"timestamp\":\"2012-04-23T18:25:43.511Z\",\"device\":\"lada\"}\n";
        assert_eq!(line(66_343_511_000, 55.5), expected);
    }

    #[test]
    fn times_are_the_shortest_that_are_exact() {
        for (microseconds, expected) in [
            (0, "00:00:00Z"),
            (1, "00:00:00.000001Z"),
            (1_000, "00:00:00.001Z"),
            (500_000, "00:00:00.500Z"),
            (999_999, "00:00:00.999999Z"),
            (59_999_000, "00:00:59.999Z"),
            (3_661_000_000, "01:01:01Z"),
            (Day::MICROSECONDS - 1, "23:59:59.999999Z"),
        ] {
            assert!(
                line(microseconds, 1.0).contains(&format!("T{expected}\"")),
                "{microseconds}: {expected}"
            );
        }
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
        fn lines_read_back_as_they_were(bits: u64, microseconds in 0..Day::MICROSECONDS) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let line = line(microseconds, value);
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read["value"].as_f64().map(f64::to_bits), Some(bits));
            let moment: jiff::Timestamp = read["timestamp"].as_str().unwrap().parse().unwrap();
            let day: Day = "2012-04-23".parse().unwrap();
            prop_assert_eq!(moment.as_microsecond(), day.start() + microseconds);
        }
    }
}
