//! What a server of the journal takes.

use jiff::Timestamp;
use reading::Bounds;
use std::time::Duration;

/// What a server of the journal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes of a request's body.
    pub max_body: usize,
    /// Most characters of a text.
    pub max_text: usize,
    /// The oldest moment that an entry may tell of.
    pub oldest: Timestamp,
    /// How far ahead of this machine's clock that moment may be.
    pub max_future: Duration,
    /// How long what subscribers were told is kept where no notifier works.
    pub event_retention: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body: 64 * 1024,
            max_text: 5000,
            // As of readings: earlier moments are from clocks that were never set.
            oldest: Timestamp::constant(978_307_200, 0),
            max_future: Duration::from_secs(24 * 3600),
            // As the notifier's.
            event_retention: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

impl Options {
    /// The moments that entries may tell of.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds::until(self.oldest.as_microsecond(), self.max_future)
    }
}
