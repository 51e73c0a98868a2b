//! The history of a bus: its size, and trimming.

use crate::{Error, nats};

/// Trims the history of a bus. Never drops an event that is unacknowledged or that a history reader has
/// not read yet. Cheap to clone.
#[derive(Clone)]
pub struct HistoryTrimmer(pub(crate) nats::HistoryTrimmer);

/// The fill level of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillLevel {
    /// Bytes of all events, handled or not.
    pub bytes: u64,
    /// Size limit of the bus, in bytes; `None`: no limit.
    pub max_bytes: Option<u64>,
    /// Unacknowledged events; `None` while a lane's consumer is missing.
    pub unhandled: Option<u64>,
    /// The bus is four fifths full: its history has to be trimmed.
    pub nearly_full: bool,
}

impl HistoryTrimmer {
    /// Returns the fill level of the bus.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again after a while. [`Error::Refused`]: a consumer's settings make its
    /// numbers meaningless.
    pub async fn fill_level(&self) -> Result<FillLevel, Error> {
        self.0.fill_level().await
    }

    /// Drops handled events that were stored before `moment` (microseconds since 1970). Returns their
    /// number.
    ///
    /// # Errors
    /// As [`HistoryTrimmer::fill_level`], possibly after dropping some.
    pub async fn trim_before(&self, moment: i64) -> Result<u64, Error> {
        self.0.trim_before(moment).await
    }

    /// Drops the oldest handled events of a nearly_full bus until it is seven tenths full, or none is left.
    /// Returns their number.
    ///
    /// # Errors
    /// As [`HistoryTrimmer::fill_level`], possibly after dropping some.
    pub async fn make_room(&self) -> Result<u64, Error> {
        self.0.make_room().await
    }
}
