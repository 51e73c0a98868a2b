//! Dead letters that earlier versions kept on the bus, in a stream of their own: `READINGS_DEAD`.
//!
//! Nothing of this version publishes there. What the stream holds is read in its order, stored elsewhere,
//! then deleted.

use crate::{Error, Event, Lane, nats};

/// An event that an earlier version could not handle.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its place in the stream; later ones have higher numbers.
    pub number: u64,
    /// Since when it is there, in microseconds since 1970: the later one of the bus's clock and that of
    /// the program which published it.
    pub since: i64,
    /// The event as it was.
    pub event: Event,
    /// Further headers that it came with, name and value.
    pub headers: Vec<(String, String)>,
    /// The lane that it came through; none for what never went through one.
    pub lane: Option<Lane>,
    /// Why it could not be handled.
    pub reason: String,
    /// Bytes that its payload had, where less than all of it is there.
    pub cut_from: Option<u64>,
}

/// The dead letters that a bus still holds. Several programs may read and delete them at once.
pub struct DeadLetters(pub(crate) nats::DeadLetters);

impl DeadLetters {
    /// The oldest ones, until they come to so many bytes; at least one, if there is any. `None`: the bus
    /// has no stream of them.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: try again.
    pub async fn oldest(&self, bytes: usize) -> Result<Option<Vec<DeadLetter>>, Error> {
        self.0.oldest(bytes).await
    }

    /// Deletes the one of this number and all before it.
    ///
    /// # Errors
    /// As [`DeadLetters::oldest`].
    pub async fn delete_up_to(&self, number: u64) -> Result<(), Error> {
        self.0.delete_up_to(number).await
    }
}
