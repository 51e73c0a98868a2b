//! The dead letters that a bus keeps, to be looked at and to be taken up again.

use crate::address::Address;
use crate::{Error, Event, Lane, Writer, WriterBackend, nats};

/// An event that could not be handled.
#[derive(Clone, Debug)]
pub struct Letter {
    /// How it is named among the dead letters of this bus; later ones have higher numbers.
    pub number: u64,
    /// When it was buried, in microseconds since 1970.
    pub buried: i64,
    /// The event as it was.
    pub event: Event,
    /// The lane that it came through; none for what never went through one.
    pub lane: Option<Lane>,
    /// Why it could not be handled.
    pub reason: String,
    /// Bytes that its payload had, where that was more than a dead letter holds.
    pub cut_from: Option<u64>,
}

/// The dead letters of a bus.
pub struct Letters(nats::Letters);

impl Letters {
    /// Those of the bus of this URL; `None` where the bus keeps none: `memory://`. Connects in the
    /// background.
    ///
    /// # Errors
    /// [`Error::Url`] where the URL cannot be used.
    pub async fn open(url: &str) -> Result<Option<Self>, Error> {
        Ok(match Address::parse(url)? {
            Address::Memory(_) => None,
            Address::Nats(address) => Some(Self(nats::Letters::open(address).await?)),
        })
    }

    /// A writer to the same bus; it works while [`Writer::run`] does.
    pub fn writer(&self) -> Writer {
        Writer(WriterBackend::Nats(Box::new(self.0.writer())))
    }

    /// The number of the newest one, 0 where there never was any.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: try again. [`Error::Refused`]: there is no such bus.
    pub async fn newest(&self) -> Result<u64, Error> {
        self.0.newest().await
    }

    /// The first one with a number above this.
    ///
    /// # Errors
    /// As [`Letters::newest`].
    pub async fn after(&self, number: u64) -> Result<Option<Letter>, Error> {
        self.0.after(number).await
    }

    /// Drops a dead letter for good; false where it was gone already.
    ///
    /// # Errors
    /// As [`Letters::newest`].
    pub async fn delete(&self, number: u64) -> Result<bool, Error> {
        self.0.delete(number).await
    }
}
