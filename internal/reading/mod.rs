//! Readings: taken from clients over HTTP, carried on the event bus, kept once each in Postgres.
//!
//! A body is split into pieces ([`scan`]), each value decoded and judged ([`decode`]), good ones
//! gathered into segments ([`segment`]) that share messages ([`publish`]); on the other side
//! messages become a [`batch`] that one transaction stores ([`postgres`]), and only then is
//! acknowledged ([`events`]).

pub mod batch;
mod body;
pub mod clock;
pub mod dead;
pub mod decode;
pub mod events;
pub mod http;
pub mod keys;
mod limits;
pub mod message;
pub mod postgres;
pub mod publish;
mod rejects;
pub mod scan;
pub mod segment;
mod signature;
pub mod time;
mod upload;
pub(crate) mod values;

use uuid::Uuid;

/// Names of devices and sensors are this long at the most.
pub const MAX_NAME: usize = 64;

/// The device of readings that name none and whose credentials name none.
pub const DEFAULT_DEVICE: &str = "default";

/// How long it can be asked what became of an upload, in microseconds.
pub const KEPT_RECEIPTS: i64 = 7 * time::DAY;

/// An ingestor's clock may be ahead by this many microseconds.
const AHEAD: i64 = time::DAY;

/// Whether, at `now`, the receipt of an upload that began then is kept. Both in microseconds since
/// 1970.
pub fn has_receipt(began: i64, now: i64) -> bool {
    began > now - KEPT_RECEIPTS && began < now + AHEAD
}

/// When an upload of this id began, in microseconds since 1970; none where the id does not tell.
pub fn uploaded(upload: Uuid) -> Option<i64> {
    if upload.get_version_num() != 7 {
        return None;
    }
    let milliseconds = i64::try_from(upload.as_u128() >> 80).ok()?;
    Some(milliseconds * 1000)
}

/// One value of one series at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Microseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// Finite.
    pub value: f64,
}

/// Whether this can name a sensor: 1 to 64 of `A-Z a-z 0-9 _ . : -`, a letter first.
pub fn is_name(name: &str) -> bool {
    is_device(name) && name.as_bytes()[0].is_ascii_alphabetic()
}

/// Whether this can name a device: as a sensor, but a digit may be first, as in an IMEI or a VIN.
pub fn is_device(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=MAX_NAME).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    mod verdicts;

    #[test]
    fn names() {
        for good in ["speed", "S", "obd:0x0C-rpm_1.a", &"x".repeat(64)] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in ["", "_x", "-1", "sp eed", "größe", "a\0b", "a\"b", &"x".repeat(65)] {
            assert!(!is_name(bad) && !is_device(bad), "{bad:?}");
        }
        for device in ["356000000000017", "5ABCD12E3FG000017", "1", "lada"] {
            assert!(is_device(device), "{device:?}");
        }
        assert!(!is_name("1speed"));
    }
}
