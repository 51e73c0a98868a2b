//! The event times that are accepted.

use crate::time;
use std::time::Duration;

/// The event times that are accepted.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The earliest accepted time: earlier ones come from clocks that were never set.
    pub oldest: i64,
    /// The latest accepted time.
    pub newest: i64,
}

impl Bounds {
    /// Accepts from `oldest` (microseconds since 1970) to `max_future` ahead of this machine's clock.
    pub fn until(oldest: i64, max_future: Duration) -> Self {
        Self {
            oldest,
            newest: time::now().saturating_add(time::micros(max_future)),
        }
    }
}

/// Bounds that accept any time, where only the end of a value is searched.
pub const ANY: Bounds = Bounds {
    oldest: i64::MIN,
    newest: i64::MAX,
};
