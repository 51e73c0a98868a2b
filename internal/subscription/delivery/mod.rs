//! Deliveries: everything between the table `delivery` and an endpoint.
//!
//! The [`Sender`] reads deliveries in the order of `seq`, sends them, and writes a row of `attempt` after each try. One
//! task owns all its state. It keeps a bounded part of each queue in memory; PostgreSQL has the rest.
//!
//! Not here: which events there are, and the client that resolves and judges addresses (`pkg/webhook`).

mod attempts;
mod database;
mod feed;
mod flights;
mod job;
mod jobs;
mod loading;
mod metrics;
mod notes;
mod now;
mod pace;
mod parked;
mod parts;
mod plan;
mod queue;
mod read;
mod request;
mod save;
mod sender;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod tries;

pub use metrics::Metrics;
pub use notes::TROUBLES;
pub use plan::check;
pub use sender::Sender;

use std::time::Duration;

/// Most that a sender has at once, and when it gives an endpoint up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests on their way. Requests to slow endpoints, and to those that failed last, share half of it.
    pub max_in_flight: usize,
    /// Deliveries of one subscription in memory.
    pub loaded_each: usize,
    /// Deliveries of all subscriptions in memory.
    pub loaded: usize,
    /// Bytes of the bodies in memory; one more delivery may reach beyond.
    pub bytes: usize,
    /// How long an endpoint has to fail in this process before its subscription is disabled for days of failures: days
    /// without a notifier, and a clock that jumps, are none.
    pub proven: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_in_flight: 1024,
            loaded_each: 1_100,
            loaded: 30_000,
            bytes: 16 * 1024 * 1024,
            proven: Duration::from_secs(3600),
        }
    }
}
