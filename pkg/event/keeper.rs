//! What a bus keeps of events that were handled, and how it is trimmed.

use crate::{Error, nats};

/// Trims the history of a bus, and never anything else: an event that is not acknowledged yet, or that
/// somebody who reads the history has not read yet, is out of its reach, whatever becomes of the bus
/// meanwhile. Cheap to clone.
#[derive(Clone)]
pub struct Keeper(pub(crate) nats::Keeper);

/// How a bus stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Bytes of all events, handled or not.
    pub bytes: u64,
    /// Bytes that it takes before it refuses more; `None`: any number.
    pub max_bytes: Option<u64>,
    /// Events that are not acknowledged yet; `None` while somebody has to make the consumer that
    /// would know.
    pub unhandled: Option<u64>,
    /// It is four fifths full: its history has to make room.
    pub pressed: bool,
}

impl Keeper {
    /// How the bus stands.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again after a while. [`Error::Refused`]: a consumer is set so
    /// that it cannot be believed.
    pub async fn look(&self) -> Result<Kept, Error> {
        self.0.look().await
    }

    /// Drops the events that were handled and were stored before `moment` (microseconds since
    /// 1970); how many they were.
    ///
    /// # Errors
    /// As [`Keeper::look`]. Some may have been dropped.
    pub async fn trim_before(&self, moment: i64) -> Result<u64, Error> {
        self.0.trim_before(moment).await
    }

    /// Where the bus is pressed, drops the oldest events that were handled until it is seven tenths
    /// full, or until nothing of them is left; how many they were.
    ///
    /// # Errors
    /// As [`Keeper::look`]. Some may have been dropped.
    pub async fn make_room(&self) -> Result<u64, Error> {
        self.0.make_room().await
    }
}
