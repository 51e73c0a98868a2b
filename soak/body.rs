//! Bodies, each computed from the seed, its client and its number, so that the check can compute them
//! again. And the way back: the names, time and value of a row tell which reading of which body it is, or
//! that no client sent it.

use crate::chance::mix;
use bytes::Bytes;
use jiff::Timestamp;
use std::fmt::Write as _;

/// The sensors of every body, in turn.
pub(crate) const SENSORS: [&str; 6] = [
    "speed",
    "fuel",
    "location_latitude",
    "location_longitude",
    "revolution",
    "soak:extra",
];

/// The device that all clients share, beside their own.
pub(crate) const SHARED: &str = "shared";

/// The first day of timestamps, 2024-03-01. Every body has two minutes of its own from there on, so that a
/// run crosses days, and a long one months.
const NEW: i64 = 1_709_251_200_000_000;

/// The day before which late bodies lie, 2024-01-20; each lies earlier than the one before it.
const LATE: i64 = 1_705_708_800_000_000;

/// Microseconds of a body, and between two readings of a series in it.
const SLOT: i64 = 120_000_000;
const STEP: i64 = 1_000;

/// A client, and one of its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) seed: u64,
    pub(crate) client: u32,
    pub(crate) number: u32,
}

/// How a client sends a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Sent until it is acknowledged.
    Whole,
    /// Cut off by the client in the middle once, then sent until it is acknowledged.
    CutFirst,
    /// Cut off in the middle, and never sent again: any part of it may be stored.
    Abandoned,
}

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A value a line.
    Lines,
    /// Several values a line.
    Several,
    /// Blanks around each value.
    Padded,
    /// NULs before lines, as after a power cut.
    Zeros,
    /// One array.
    Array,
    /// Each value over several lines.
    Pretty,
}

/// The reading that a row of the database came from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Origin {
    pub(crate) body: Body,
    index: u32,
}

impl Body {
    /// Whether this client sends large bodies.
    fn is_bulk(self) -> bool {
        self.client.is_multiple_of(4) && !self.draw(1).is_multiple_of(4)
    }

    fn draw(self, what: u64) -> u64 {
        mix(&[self.seed, u64::from(self.client), u64::from(self.number), what])
    }

    /// Number of its readings.
    pub(crate) fn readings(self) -> u32 {
        let drawn = self.draw(2);
        let readings = if self.is_bulk() {
            15_000 + drawn % 25_000
        } else {
            1 + drawn % 24
        };
        u32::try_from(readings).unwrap_or(1)
    }

    /// Number of its invalid lines.
    pub(crate) fn invalid(self) -> u32 {
        let drawn = self.draw(3);
        if drawn.is_multiple_of(16) {
            u32::try_from(1 + drawn / 16 % 5).unwrap_or(1)
        } else {
            0
        }
    }

    pub(crate) fn fate(self) -> Fate {
        match self.draw(4) % 100 {
            0..3 => Fate::Abandoned,
            3..8 => Fate::CutFirst,
            _ => Fate::Whole,
        }
    }

    pub(crate) fn is_gzip(self) -> bool {
        self.draw(5).is_multiple_of(3)
    }

    /// Whether it is a gzip body without a `Content-Encoding`.
    pub(crate) fn is_undeclared(self) -> bool {
        self.draw(9).is_multiple_of(3)
    }

    fn form(self) -> Form {
        match self.draw(8) % 16 {
            0 | 1 => Form::Several,
            2 => Form::Padded,
            3 => Form::Zeros,
            4 => Form::Array,
            5 => Form::Pretty,
            _ => Form::Lines,
        }
    }

    fn is_late(self) -> bool {
        self.draw(6).is_multiple_of(5)
    }

    fn is_shared(self) -> bool {
        self.draw(7).is_multiple_of(4)
    }

    /// The body as text.
    pub(crate) fn text(self) -> Bytes {
        let readings = self.readings();
        let invalid = self.invalid();
        let mut text = String::with_capacity(readings as usize * 112 + 256);
        for index in 0..readings {
            // Spread over the body's beginning, where even a small body has lines.
            if index < invalid {
                self.write_invalid(index, &mut text);
            }
            line(
                &mut text,
                &self.device(),
                SENSORS[index as usize % 6],
                self.value(index),
                self.time(index),
            );
        }
        for index in readings..invalid {
            self.write_invalid(index, &mut text);
        }
        shaped(&text, self.form()).into()
    }

    fn write_invalid(self, index: u32, text: &mut String) {
        let _ = writeln!(
            text,
            "{{\"sensor\":\"speed\",\"value\":\"bad {} {} {index}\",\"timestamp\":\"2024-03-01T00:00:00Z\"}}",
            self.client, self.number
        );
    }

    fn device(self) -> String {
        if self.is_shared() {
            SHARED.to_owned()
        } else {
            own_device(self.client)
        }
    }

    /// Its first timestamp.
    fn start(self) -> i64 {
        if self.is_late() {
            LATE - (i64::from(self.number) + 1) * SLOT
        } else {
            NEW + i64::from(self.number) * SLOT
        }
    }

    fn time(self, index: u32) -> i64 {
        // Clients of one device share its series, never an identity.
        let apart = if self.is_shared() {
            i64::from(self.client) + 1
        } else {
            0
        };
        self.start() + i64::from(index / 6) * STEP + apart
    }

    fn value(self, index: u32) -> f64 {
        let bits = self.draw(1000 + u64::from(index)) >> 11;
        // Exact: 53 bits, a power of two and a small whole number.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = bits as f64 / (1_u64 << 53) as f64;
        unit * 180.0 - 90.0
    }
}

/// Lines of one value each, in this form.
fn shaped(lines: &str, form: Form) -> String {
    let mut text = String::with_capacity(lines.len() + 64);
    match form {
        Form::Lines => text += lines,
        Form::Several => {
            for (at, line) in lines.lines().enumerate() {
                text += line;
                text += ["", " ", "\n"][at % 3];
            }
        }
        Form::Padded => {
            for line in lines.lines() {
                let _ = writeln!(text, "\u{feff}\t {line} \r");
            }
        }
        Form::Zeros => {
            for (at, line) in lines.lines().enumerate() {
                text.extend(std::iter::repeat_n('\0', [0, 0, 0, 700][at % 4]));
                let _ = writeln!(text, "{line}");
            }
        }
        Form::Array => {
            text += "[";
            for (at, line) in lines.lines().enumerate() {
                text += if at == 0 { "\n" } else { ",\n" };
                text += line;
            }
            text += "\n]\n";
        }
        Form::Pretty => {
            for line in lines.lines() {
                text += "{\n ";
                text += &line[1..line.len() - 1];
                text += "\n}\n";
            }
        }
    }
    text
}

/// The device of one client.
pub(crate) fn own_device(client: u32) -> String {
    format!("soak-{client}")
}

/// Parses client, body and index of an invalid line.
pub(crate) fn invalid_of(text: &str) -> Option<(u32, u32, u32)> {
    let mut words = text.split("\"bad ").nth(1)?.split('"').next()?.split(' ');
    let mut number = || words.next()?.parse().ok();
    Some((number()?, number()?, number()?))
}

/// Appends a reading as a line.
pub(crate) fn line(text: &mut String, device: &str, sensor: &str, value: f64, time: i64) {
    let moment = Timestamp::from_microsecond(time).unwrap_or_default();
    let _ = writeln!(
        text,
        "{{\"sensor\":\"{sensor}\",\"value\":{value},\"timestamp\":\"{moment}\",\"device\":\"{device}\"}}"
    );
}

/// The sent reading that a row came from; `None` where no client can have sent it.
pub(crate) fn origin(seed: u64, device: &str, sensor: &str, time: i64, value: f64) -> Option<Origin> {
    let number = if time >= NEW {
        (time - NEW) / SLOT
    } else {
        (LATE - 1 - time) / SLOT
    };
    let number = u32::try_from(number).ok()?;
    let client = match device.strip_prefix("soak-") {
        Some(client) => client.parse().ok()?,
        None => u32::try_from(time.rem_euclid(STEP) - 1).ok()?,
    };
    let body = Body { seed, client, number };
    let place = u32::try_from(SENSORS.iter().position(|known| *known == sensor)?).ok()?;
    let step = u32::try_from((time - body.start()).div_euclid(STEP)).ok()?;
    let index = step.checked_mul(6)?.checked_add(place)?;
    let is_it = index < body.readings()
        && body.device() == device
        && body.time(index) == time
        && body.value(index).to_bits() == value.to_bits();
    is_it.then_some(Origin { body, index })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
    use super::*;

    #[test]
    fn every_reading_is_found_again_and_nothing_else() {
        let (mut late, mut shared, mut bulk) = (0, 0, 0);
        for number in 0..400 {
            for client in [0, 1, 7] {
                let body = Body {
                    seed: 5,
                    client,
                    number,
                };
                late += u32::from(body.is_late());
                shared += u32::from(body.is_shared());
                bulk += u32::from(body.is_bulk());
                for index in [0, body.readings() / 2, body.readings() - 1] {
                    let sensor = SENSORS[index as usize % 6];
                    let (device, time, value) = (body.device(), body.time(index), body.value(index));
                    let found = origin(5, &device, sensor, time, value).unwrap();
                    assert_eq!(found, Origin { body, index });
                    assert_eq!(origin(5, &device, sensor, time, value + 1.0), None);
                    assert_eq!(origin(5, &device, sensor, time + 13, value), None);
                    assert_eq!(origin(6, &device, sensor, time, value), None);
                }
                let beyond = body.readings();
                let time = body.time(beyond);
                let sensor = SENSORS[beyond as usize % 6];
                assert_eq!(origin(5, &body.device(), sensor, time, body.value(beyond)), None);
            }
        }
        assert!(late > 0 && shared > 0 && bulk > 0);
    }

    #[test]
    fn a_body_holds_its_lines() {
        let mut with_invalid = 0;
        for number in 0..200 {
            let body = Body {
                seed: 9,
                client: 1,
                number,
            };
            let text = String::from_utf8(body.text().to_vec()).unwrap();
            let bad: Vec<_> = text.lines().filter_map(invalid_of).collect();
            if matches!(body.form(), Form::Lines | Form::Padded | Form::Zeros) {
                let expected: Vec<_> = (0..body.invalid()).map(|index| (1, number, index)).collect();
                assert_eq!(bad, expected);
            }
            let values = text.matches("\"sensor\":").count();
            assert_eq!(values, (body.readings() + body.invalid()) as usize);
            with_invalid += bad.len();
        }
        assert!(with_invalid > 0);
    }
}
