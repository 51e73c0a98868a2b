//! Limits of requests.

use std::time::Duration;

/// Limits of requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest that a request may take, from its first byte to its answer. A client may ask for less.
    pub deadline: Duration,
    /// Bytes of a request. The services are to have the same limit; here it is for the text alone.
    pub max_request: usize,
    /// Requests at once, health and reflection apart. More are refused, before their bytes are read.
    pub max_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(20),
            max_request: 4 * 1024 * 1024,
            max_in_flight: 256,
        }
    }
}
