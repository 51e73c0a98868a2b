//! An event.

use bytes::Bytes;
use std::fmt;

/// A CloudEvent (v1.0) in binary mode.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// `ce-id`: unique among all events. An event without it gets its place in the stream as id.
    pub id: String,
    /// `ce-type`.
    pub kind: String,
    /// `ce-source`.
    pub source: String,
    /// The data, at most [`MAX_PAYLOAD`](crate::MAX_PAYLOAD) bytes.
    pub payload: Bytes,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the payload: it is a client's data.
        write!(
            f,
            "Event({} {} from {}, {} bytes)",
            self.kind,
            self.id,
            self.source,
            self.payload.len()
        )
    }
}
