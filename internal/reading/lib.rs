//! What a reading is: its name, its time, its value; how bytes become readings, and how readings
//! travel on the event bus. Opens no file, no connection and no database.
//!
//! ```
//! use reading::decode::{Bounds, decode};
//!
//! let line = br#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z"}"#;
//! let bounds = Bounds { oldest: 0, newest: reading::time::now() };
//! assert_eq!(decode(line, bounds).map(|reading| reading.value), Ok(55.5));
//! ```
//!
//! A body is split into pieces ([`scan`]), the values of a line are found ([`values`]) and judged
//! ([`decode`]). Good ones are gathered into segments ([`segment`]), which are read back from a
//! [`message`]. What is rejected travels as [`rejected`] lines.
//!
//! Deliberately not here: who may write, and where readings are stored.

pub mod bad_time;
pub mod decode;
pub mod message;
mod name;
pub mod rejected;
pub mod scan;
pub mod segment;
pub mod signature;
pub mod time;
pub mod values;

pub use name::{DEFAULT_DEVICE, MAX_NAME, Name, NameRef, is_device, is_name};

use uuid::Uuid;

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
