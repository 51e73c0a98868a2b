//! Dead letters that earlier versions kept on the bus, in a stream of their own: `READINGS_DEAD`.
//!
//! This version publishes none there. A persistor reads them in order, stores them elsewhere, and then
//! deletes them.

use crate::{Error, Event, Lane, nats};

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

/// The dead letters that a bus still holds. Several programs may read and delete them at once.
pub struct DeadLetters(pub(crate) nats::DeadLetters);

impl DeadLetters {
    /// The oldest dead letters, about `bytes` of them and at least one, if the stream holds any. `None`: the
    /// bus has no such stream.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: try again.
    pub async fn oldest(&self, bytes: usize) -> Result<Option<Vec<DeadLetter>>, Error> {
        self.0.oldest(bytes).await
    }

    /// Deletes the dead letter of this number and all before it.
    ///
    /// # Errors
    /// As [`DeadLetters::oldest`].
    pub async fn delete_up_to(&self, number: u64) -> Result<(), Error> {
        self.0.delete_up_to(number).await
    }
}
