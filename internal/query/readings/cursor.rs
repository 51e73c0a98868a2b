//! Cursors: where the next page begins, as a text that needs no escaping in a URL.
//!
//! A cursor is base64url, without padding, of these bytes:
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | the version, 1 |
//! | 8 | the digest of the question |
//! | 8, 8, 8 | the first moment of the span, the first one after it, the timestamp of the last reading |
//! | 8 | how long the page lasted |
//! | 4, and that many | the length of the device's name, and the name |
//! | the rest | the sensor's name |
//!
//! Numbers are big-endian. Names, unlike ids, mean the same in a database that was restored. They are those of a stored
//! series, so they may be any text: SQL writes names that no upload has.

use super::{END, Key, Span};
use crate::words::reach::BEGINNING;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

const VERSION: u8 = 1;

/// Tells questions apart.
pub(super) type Digest = [u8; 8];

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The question that it belongs to.
    pub(super) question: Digest,
    /// The span of the first page, which `-2h` means on all of them.
    pub(super) span: Span,
    /// The last reading before.
    pub(super) last: Key,
    /// About how long a page as dense as the one before lasts, in microseconds. It only makes the next page cheaper:
    /// each value leads to the same readings.
    pub(super) lasted: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.question);
        for number in [self.span.from, self.span.to, self.last.timestamp, self.lasted] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        // The database holds no longer text.
        let length = u32::try_from(self.last.device.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(self.last.device.as_bytes());
        bytes.extend_from_slice(self.last.sensor.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        read(&bytes)
            .ok_or("not a cursor of this endpoint: write nextCursor as it stands, or leave it out for the first page")
    }
}

fn read(mut bytes: &[u8]) -> Option<Cursor> {
    if take::<1>(&mut bytes)? != [VERSION] {
        return None;
    }
    let question = take(&mut bytes)?;
    let mut number = || Some(i64::from_be_bytes(take(&mut bytes)?));
    let (from, to, timestamp, lasted) = (number()?, number()?, number()?, number()?);
    let length = usize::try_from(u32::from_be_bytes(take(&mut bytes)?)).ok()?;
    let (device, sensor) = bytes.split_at_checked(length)?;
    let (device, sensor) = (std::str::from_utf8(device).ok()?, std::str::from_utf8(sensor).ok()?);
    if from < BEGINNING || to > END || !(from..to).contains(&timestamp) {
        return None;
    }
    Some(Cursor {
        question,
        span: Span { from, to },
        last: Key {
            timestamp,
            device: device.to_owned(),
            sensor: sensor.to_owned(),
        },
        lasted,
    })
}

/// The next bytes.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursor(from: i64, length: i64, at: i64, device: &str, sensor: &str) -> Cursor {
        Cursor {
            question: [7; 8],
            span: Span {
                from,
                to: from + length,
            },
            last: Key {
                timestamp: from + at % length,
                device: device.to_owned(),
                sensor: sensor.to_owned(),
            },
            lasted: length / 2,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            from in -1_i64 << 55..1_i64 << 55,
            length in 1_i64..1 << 50,
            at in 0_i64..1 << 50,
            device in any::<String>(),
            sensor in any::<String>(),
        ) {
            let cursor = cursor(from, length, at, &device, &sensor);
            let text = cursor.to_string();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
            prop_assert_eq!(text.parse(), Ok(cursor));
            // Cut anywhere, it is none, or one of a shorter sensor.
            let cut = text[..text.len() - 1].parse::<Cursor>();
            prop_assert!(cut.is_err() || cut.is_ok_and(|cut| sensor.starts_with(&cut.last.sensor)));
        }

        #[test]
        fn made_up_ones_are_refused_or_sound(text in "[A-Za-z0-9_-]{0,80}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert!((cursor.span.from..cursor.span.to).contains(&cursor.last.timestamp));
            }
        }
    }

    #[test]
    fn others_are_refused() {
        let good = cursor(0, 10, 5, "lada", "speed");
        let mut other = URL_SAFE_NO_PAD.decode(good.to_string()).unwrap();
        other[0] = 3;
        let outside = Cursor {
            span: Span { from: 0, to: 5 },
            ..good.clone()
        };
        let endless = Cursor {
            span: Span {
                from: i64::MIN,
                to: i64::MAX,
            },
            ..good.clone()
        };
        for wrong in [
            String::new(),
            "x".to_owned(),
            format!("{good}="),
            format!(" {good}"),
            URL_SAFE_NO_PAD.encode(other),
            outside.to_string(),
            endless.to_string(),
        ] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
        assert_eq!(good.to_string().parse(), Ok(good));
    }
}
