//! The line of a reading as CSV (RFC 4180): `lada,speed,2012-04-23T18:25:43.511Z,55.5,km/h`.
//!
//! Numbers and seconds are as in [`Line`](crate::Line).

use crate::line::number;
use crate::time::{DAY, date, write_time_of_day};
use crate::{is_device, is_name};

/// Names the columns of a [`CsvLine`].
pub const CSV_HEAD: &str = "device,sensor,timestamp,value,unit\n";

/// Writes the readings of one series on one day. The constant parts of a line are prepared once; a line
/// allocates nothing.
#[derive(Debug)]
pub struct CsvLine {
    /// Up to the hour.
    head: Vec<u8>,
    /// After the value.
    tail: Vec<u8>,
    start: i64,
}

impl CsvLine {
    /// Makes the lines of this series on the day of this timestamp. The caller has checked both names, and the
    /// unit needs no quotes. Without a unit, its column is empty.
    pub fn new(day: i64, device: &str, sensor: &str, unit: Option<&str>) -> Self {
        // Valid names need no quotes.
        debug_assert!(is_device(device) && is_name(sensor), "{device:?} {sensor:?}");
        Self {
            head: format!("{device},{sensor},{}", date(day)).into_bytes(),
            tail: format!(",{}\n", unit.unwrap_or_default()).into_bytes(),
            start: day - day.rem_euclid(DAY),
        }
    }

    /// Appends a line. The timestamp is in microseconds since 1970 and within the day; the value is finite.
    pub fn write(&self, timestamp: i64, value: f64, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.head);
        write_time_of_day(timestamp - self.start, to);
        to.push(b',');
        number(value, to);
        to.extend_from_slice(&self.tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_columns_of_the_head() {
        let moment = 1_335_205_543_511_000;
        for (unit, value, expected) in [
            (Some("km/h"), 55.0, "lada,speed,2012-04-23T18:25:43.511Z,55,km/h\n"),
            (None, 0.5, "lada,speed,2012-04-23T18:25:43.511Z,0.5,\n"),
        ] {
            let mut line = Vec::new();
            CsvLine::new(moment, "lada", "speed", unit).write(moment, value, &mut line);
            assert_eq!(String::from_utf8(line).unwrap(), expected);
            assert_eq!(expected.matches(',').count(), CSV_HEAD.matches(',').count());
        }
    }
}
