//! How long to wait before something is tried again.

use std::time::Duration;
use tokio::time::Instant;

/// Between tries of what is unavailable.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A growing pause between tries.
#[derive(Default)]
pub(super) struct Pause {
    pub(super) length: Duration,
    pub(super) until: Option<Instant>,
}

impl Pause {
    /// Something is unavailable again.
    pub(super) fn longer(&mut self) {
        self.length = (self.length * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.until = Some(Instant::now() + self.length);
    }

    /// It answers again.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }
}
