//! The growing pause between tries.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;
use tokio::time::Instant;

/// Between tries.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Waits between tries that grow with each failure.
pub(super) struct Backoff {
    waits: ExponentialBackoff,
    /// The present wait; none while nothing fails.
    pub(super) length: Duration,
    pub(super) until: Option<Instant>,
}

impl Default for Backoff {
    fn default() -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(SHORTEST)
            .with_max_delay(LONGEST);
        Self {
            waits: waits.without_max_times().build(),
            length: Duration::ZERO,
            until: None,
        }
    }
}

impl Backoff {
    /// Begins the next, longer wait.
    pub(super) fn failed(&mut self) {
        self.length = self.waits.next().unwrap_or(LONGEST);
        self.until = Some(Instant::now() + self.length);
    }

    /// Ends the wait: the next one is short again.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}
