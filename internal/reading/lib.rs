//! A reading: its name, time and value; how bytes become readings, and how readings travel on the event bus.
//! Opens no file, no connection and no database.
//!
//! ```
//! use reading::{Bounds, decode::decode};
//!
//! let line = br#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z"}"#;
//! let bounds = Bounds { oldest: 0, newest: reading::time::now() };
//! assert_eq!(decode(line, bounds).map(|reading| reading.value), Ok(55.5));
//! ```
//!
//! [`scan`] splits a body into pieces, [`values`] finds the values of a line, and [`decode`] judges them.
//! [`segment`] gathers good ones into segments, which [`message`] reads back. Rejected ones travel as
//! [`rejected`] lines. [`pairing`] finds places in readings, and [`earth`] their distances.
//!
//! Deliberately not here: who may write, and where readings are stored.

pub mod bad_time;
mod bounds;
mod braces;
mod csv;
pub mod decode;
pub mod earth;
mod line;
pub mod message;
mod name;
pub mod pairing;
pub mod pattern;
pub mod rejected;
pub mod scan;
pub mod segment;
pub mod signature;
pub mod time;
pub mod values;

pub use bounds::{ANY, Bounds};
pub use csv::{CSV_HEAD, CsvLine};
pub use line::Line;
pub use name::{DEFAULT_DEVICE, MAX_NAME, Name, NameRef, is_device, is_name};

use uuid::Uuid;

/// How long the receipt of an upload is kept, in microseconds.
pub const KEPT_RECEIPTS: i64 = 7 * time::DAY;

/// Most microseconds that an ingestor's clock may be ahead.
const AHEAD: i64 = time::DAY;

/// Whether, at `now`, the receipt of an upload that `began` then is kept. Both in microseconds since 1970.
pub fn has_receipt(began: i64, now: i64) -> bool {
    began > now - KEPT_RECEIPTS && began < now + AHEAD
}

/// When an upload of this id began, in microseconds since 1970; none if the id does not tell.
pub fn uploaded(upload: Uuid) -> Option<i64> {
    if upload.get_version_num() != 7 {
        return None;
    }
    let milliseconds = i64::try_from(upload.as_u128() >> 80).ok()?;
    Some(milliseconds * 1000)
}

/// A value of a series at a timestamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Microseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// Finite.
    pub value: f64,
}
