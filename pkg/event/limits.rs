//! Limits of events and of their readers.

use std::time::Duration;

/// Largest payload of an event, in bytes. NATS servers take 1 MiB by default; the rest is for headers.
pub const MAX_PAYLOAD: usize = 1000 * 1000;

/// Least room, in bytes, with which [`Reader::next`](crate::Reader::next) makes progress.
pub const MIN_ROOM: usize = 2 * 1024 * 1024;

/// How often [`Delivery::progress_all`](crate::Delivery::progress_all) is due; the bus redelivers after three
/// times this.
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
