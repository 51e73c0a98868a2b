//! What became of the readings of a write.

/// Counts of a write: together, the readings of messages that were not stored before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Newly stored readings.
    pub persisted: u64,
    /// Readings that were stored already, with the same value.
    pub duplicates: u64,
    /// Readings whose identity was stored already, with another value, which stays.
    pub conflicts: u64,
}
