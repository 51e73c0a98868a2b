//! A replay, as it is shown.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

#[derive(Debug, Serialize)]
pub(super) struct Replay {
    pub(super) id: Uuid,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) mode: String,
    pub(super) state: String,
    /// Events that it has queued so far.
    pub(super) queued: i64,
    pub(super) at: Timestamp,
}
