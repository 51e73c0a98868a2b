//! Dead letters that earlier versions kept on the bus, in a stream of their own: `EVENTS_DEAD`.
//!
//! This version publishes none there. A reader takes them in order, stores them elsewhere, and then deletes
//! them.

use crate::{Event, Lane};

/// An event that an earlier version could not handle.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its sequence in the stream; later dead letters have higher numbers.
    pub number: u64,
    /// When it was published, in microseconds since 1970: the later of the bus's clock and the publisher's.
    pub since: i64,
    /// The event as it was.
    pub event: Event,
    /// Its further headers, name and value.
    pub headers: Vec<(String, String)>,
    /// Its lane; `None` if it never went through one.
    pub lane: Option<Lane>,
    /// Why it could not be handled.
    pub reason: String,
    /// Original bytes of a payload that was cut.
    pub cut_from: Option<u64>,
}
