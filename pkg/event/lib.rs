//! The event bus: events go in through a [`Writer`] and come out of a [`Reader`].
//!
//! The URL picks the backend: `nats://host:4222/NAME` is a NATS JetStream stream,
//! `memory://NAME` hands events over inside one process. Both keep the same promise: a
//! published event has been stored or handled when [`Writer::publish`] returns, and an unacknowledged
//! event is not lost (NATS delivers it again, memory tells the publisher). This crate does not read
//! payloads.
//!
//! A bus has two [`Lane`]s, each read by itself: small urgent events do not queue behind bulk ones.
//!
//! ```no_run
//! # async fn run(names: &'static event::Names) -> Result<(), event::Error> {
//! let mut reader = event::Reader::open("nats://127.0.0.1:4222/orders", names, event::Lane::Live).await?;
//! let mut delivery = reader.next(1 << 20).await?;
//! // Store what is in `delivery.event`, and only then:
//! delivery.ack().await;
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately not here: what events hold, and any order between lanes.

mod address;
mod dead;
mod delivery;
mod error;
mod event;
mod fill_level;
mod lane;
mod limits;
mod memory;
mod moment;
mod names;
mod nats;

pub use dead::DeadLetter;
pub use delivery::Delivery;
pub use error::Error;
pub use event::Event;
pub use fill_level::FillLevel;
pub use lane::Lane;
pub use limits::{MAX_PAYLOAD, MIN_ROOM, PROGRESS_INTERVAL};
pub use names::Names;
pub use nats::{DeadLetters, HistoryTrimmer};

use address::Address;

/// Parses a URL and opens nothing; for `fuzz/`.
///
/// # Errors
/// [`Error::Url`] where the URL cannot be used.
#[cfg(fuzzing)]
pub fn parse(url: &str) -> Result<(), Error> {
    let names = &Names {
        program: "",
        reader: "",
        stream: "",
        spare: "",
        consumer: "",
    };
    Address::parse(url, names).map(|_| ())
}

/// Publishes events to the bus. Cheap to clone.
#[derive(Clone)]
pub struct Writer(WriterBackend);

#[derive(Clone)]
enum WriterBackend {
    Memory(memory::Writer),
    Nats(Box<nats::Writer>),
}

impl Writer {
    /// Opens a writer and connects in the background. Publishing fails with [`Error::Unavailable`] until
    /// [`Writer::run`] has prepared the bus.
    ///
    /// # Errors
    /// [`Error::Url`] where the URL cannot be used.
    pub async fn open(url: &str, names: &'static Names) -> Result<Self, Error> {
        Ok(Self(match Address::parse(url, names)? {
            Address::Memory(name) => WriterBackend::Memory(memory::Writer::open(&name)),
            Address::Nats(address) => WriterBackend::Nats(Box::new(nats::Writer::open(address).await?)),
        }))
    }

    /// Prepares the bus and keeps it prepared, through lost connections and deleted streams; calls `ready`
    /// on each change. Ends only when dropped, or with an error that needs an operator.
    ///
    /// # Errors
    /// [`Error::Refused`] where the server is too old or its stream would lose data.
    pub async fn run(self, ready: impl FnMut(bool)) -> Result<(), Error> {
        match &self.0 {
            WriterBackend::Memory(writer) => writer.run(ready).await,
            WriterBackend::Nats(writer) => writer.run(ready).await,
        }
    }

    /// Whether the bus is connected and prepared, as last reported by [`Writer::run`].
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            WriterBackend::Memory(_) => true,
            WriterBackend::Nats(writer) => writer.is_ready(),
        }
    }

    /// Publishes an event and returns when it is stored (or, with `memory://`, handled). Waits while the
    /// window of events in flight is full.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it may or may not have been stored; publish it again.
    pub async fn publish(&self, lane: Lane, event: Event) -> Result<(), Error> {
        match &self.0 {
            WriterBackend::Memory(writer) => writer.publish(lane, event).await,
            WriterBackend::Nats(writer) => writer.publish(lane, event).await,
        }
    }

    /// Publishes a dead letter's event again. The header `PROGRAM-redriven` holds `mark`, which tells this
    /// copy from all others; `headers` are the event's further headers.
    ///
    /// # Errors
    /// As [`Writer::publish`].
    pub async fn publish_again(
        &self,
        lane: Lane,
        event: Event,
        mark: &str,
        headers: &[(String, String)],
    ) -> Result<(), Error> {
        match &self.0 {
            WriterBackend::Memory(writer) => writer.publish(lane, event).await,
            WriterBackend::Nats(writer) => writer.publish_again(lane, event, mark, headers).await,
        }
    }

    /// Whether other programs read this bus: not with `memory://`.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, WriterBackend::Nats(_))
    }

    /// The latest time on the bus, in microseconds since 1970: that of its last event, or the server's own
    /// where the server tells it. `None` with `memory://`.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again after a while.
    pub async fn latest_moment(&self) -> Result<Option<i64>, Error> {
        match &self.0 {
            WriterBackend::Memory(_) => Ok(None),
            WriterBackend::Nats(writer) => writer.latest_moment().await.map(Some),
        }
    }
}

/// Reads events from one lane, or the history. Readers of one lane share its events.
pub struct Reader(ReaderBackend);

enum ReaderBackend {
    Memory(memory::Reader),
    Nats(Box<nats::Reader>),
}

impl Reader {
    /// Opens a reader of a lane; connects in the background.
    ///
    /// # Errors
    /// [`Error::Url`] where the URL cannot be used.
    pub async fn open(url: &str, names: &'static Names, lane: Lane) -> Result<Self, Error> {
        Ok(Self(match Address::parse(url, names)? {
            Address::Memory(name) => ReaderBackend::Memory(memory::Reader::open(&name, lane)),
            Address::Nats(address) => {
                ReaderBackend::Nats(Box::new(nats::Reader::open(address, nats::Wanted::Lane(lane)).await?))
            }
        }))
    }

    /// Opens a reader of the history of both lanes.
    ///
    /// It reads acknowledged and unacknowledged events, from `since` (microseconds since 1970) or the first one, up
    /// to the last one at the start of the reading. Then its backlog is 0. It takes no events away from
    /// other readers. Until [`Reader::end`], or ten minutes of silence, the bus remembers what it has
    /// acknowledged and does not trim the rest.
    ///
    /// # Errors
    /// [`Error::Url`] where the URL cannot be used, or names a bus without a history.
    pub async fn history(url: &str, names: &'static Names, since: Option<i64>) -> Result<Self, Error> {
        match Address::parse(url, names)? {
            Address::Memory(_) => Err(Error::Url(
                "memory:// keeps nothing that could be read again; name a nats:// bus".into(),
            )),
            Address::Nats(address) => Ok(Self(ReaderBackend::Nats(Box::new(
                nats::Reader::open(address, nats::Wanted::History(since)).await?,
            )))),
        }
    }

    /// Ends reading a history; its unread events may be trimmed from now on. Does nothing for a lane, whose
    /// readers share their acknowledgements.
    pub async fn end(mut self) {
        if let ReaderBackend::Nats(reader) = &mut self.0 {
            reader.end().await;
        }
    }

    /// Number of unacknowledged events of the lane or history.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again after a while.
    pub async fn backlog(&mut self) -> Result<u64, Error> {
        match &mut self.0 {
            ReaderBackend::Memory(reader) => Ok(reader.backlog()),
            ReaderBackend::Nats(reader) => reader.backlog().await,
        }
    }

    /// Whether publishers wait until their events are acknowledged. If so, a reader should not hold an
    /// event back to gather more.
    pub fn is_awaited(&self) -> bool {
        matches!(self.0, ReaderBackend::Memory(_))
    }

    /// Waits for the next event. `room` is how many bytes of further events the caller can hold: the reader
    /// requests no more in advance, and nothing below [`MIN_ROOM`]. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again after a while. [`Error::Refused`]: an operator has to act.
    pub async fn next(&mut self, room: usize) -> Result<Delivery, Error> {
        match &mut self.0 {
            ReaderBackend::Memory(reader) => {
                let (event, lane, receipt) = reader.next().await;
                Ok(Delivery::of_memory(event, lane, receipt))
            }
            ReaderBackend::Nats(reader) => reader.next(room).await.map(Delivery::of_nats),
        }
    }

    /// Takes the events that have arrived and that [`Reader::next`] has not returned, so that a caller that
    /// stops can give them back.
    pub fn taken(&mut self) -> Vec<Delivery> {
        match &mut self.0 {
            // The end of the bus tells the publishers that their events were not handled.
            ReaderBackend::Memory(_) => Vec::new(),
            ReaderBackend::Nats(reader) => reader.taken().into_iter().map(Delivery::of_nats).collect(),
        }
    }

    /// A writer over the same connection, to keep the bus prepared with [`Writer::run`].
    pub fn writer(&self) -> Writer {
        match &self.0 {
            ReaderBackend::Memory(reader) => Writer(WriterBackend::Memory(reader.writer())),
            ReaderBackend::Nats(reader) => Writer(WriterBackend::Nats(Box::new(reader.writer()))),
        }
    }

    /// A trimmer of the bus's history, over the same connection; `None` for `memory://`, which has none.
    pub fn trimmer(&self) -> Option<HistoryTrimmer> {
        match &self.0 {
            ReaderBackend::Memory(_) => None,
            ReaderBackend::Nats(reader) => Some(reader.trimmer()),
        }
    }

    /// The dead letters that earlier versions left on the bus, over the same connection; `None` for
    /// `memory://`.
    pub fn dead_letters(&self) -> Option<DeadLetters> {
        match &self.0 {
            ReaderBackend::Memory(_) => None,
            ReaderBackend::Nats(reader) => Some(reader.dead_letters()),
        }
    }
}
