//! Now, by the clock on the wall and by one that never jumps.

use super::attempts::Due;
use std::time::Duration;
use tokio::time::Instant;

/// Now, by both clocks; `wall` in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) wall: i64,
}

impl Now {
    pub(super) fn new() -> Self {
        Self {
            instant: Instant::now(),
            wall: jiff::Timestamp::now().as_microsecond(),
        }
    }

    pub(super) fn after(self, wait: Duration) -> Due {
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        Due {
            at: self.wall.saturating_add(micros),
            instant: self.instant + wait.min(Duration::from_secs(u64::from(u32::MAX))),
        }
    }
}
