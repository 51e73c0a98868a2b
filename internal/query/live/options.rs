//! How many may listen, and what wakes the task that looks for changes.

use std::sync::Arc;
use tokio::sync::Notify;

/// How the live stream works.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Listeners at once.
    pub most: usize,
    /// Notified after commits of this process; none where other processes write.
    pub committed: Option<Arc<Notify>>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            most: Self::MOST,
            committed: None,
        }
    }
}

impl LiveOptions {
    /// Listeners at once, unless a flag says otherwise.
    pub const MOST: usize = 1_000;

    /// At most `most` listeners, and never in the last quarter of a server's `connections`: questions need room.
    #[must_use]
    pub fn within(most: usize, connections: usize) -> Self {
        Self {
            most: most.min(connections - connections / 4),
            committed: None,
        }
    }
}
