//! What an upload has brought so far.

use crate::rejects::Rejects;
use crate::series::NoRoom;

/// Counts of an upload.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Readings that the bus has stored.
    pub(crate) accepted: u64,
    /// Readings of series that have no room now.
    pub(crate) deferred: u64,
    /// Why one of them has no room.
    pub(crate) no_room: Option<NoRoom>,
    /// Readings of devices that the key may not write for, or that the credentials do not name.
    pub(crate) forbidden: u64,
    /// An object around some of them names their device.
    pub(crate) is_wrapped: bool,
    /// Rejected values.
    pub(crate) rejects: Rejects,
}

impl Counts {
    /// Whether every value was accepted.
    pub(crate) fn clean(&self) -> bool {
        self.rejects.count == 0 && self.deferred == 0 && self.forbidden == 0
    }
}
