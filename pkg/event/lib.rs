//! The event bus: events go in through a [`Writer`] and come out of a [`Reader`].
//!
//! The URL picks the backend: `nats://host:4222/readings` is a NATS JetStream stream,
//! `memory://readings` hands events over inside one process. Both keep the same promise: a
//! published event has been stored or handled when [`Writer::publish`] returns, and an event that
//! was not acknowledged is not forgotten (NATS delivers it again, memory tells the publisher).
//! What is in an event is none of this crate's business.
//!
//! A bus has two [`Lane`]s, each read by itself: what somebody waits for does not queue behind
//! what is merely much.

mod address;
mod dead;
mod error;
mod keeper;
mod memory;
mod nats;
mod seldom;

pub use dead::{DeadLetter, DeadLetters};
pub use error::Error;
pub use keeper::{Keeper, Kept};

use address::Address;
use bytes::Bytes;
use std::fmt;

/// The largest payload that any backend has to take. NATS servers take 1 MiB unless configured
/// otherwise; the rest of that is left to headers.
pub const MAX_PAYLOAD: usize = 1000 * 1000;

/// What [`Reader::next`] must have room for, at the least, to make progress whatever comes.
pub const MIN_ROOM: usize = 2 * 1024 * 1024;

/// A CloudEvent (v1.0) in binary mode.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// `ce-id`: unique among all events. One that came without it is known by its place in the stream.
    pub id: String,
    /// `ce-type`.
    pub kind: String,
    /// `ce-source`.
    pub source: String,
    /// The data, at most [`MAX_PAYLOAD`] bytes.
    pub payload: Bytes,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the payload: it is somebody's data.
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

/// Which of a bus's two queues an event goes through. Order is kept within a lane at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Small events that are wanted at once.
    Live,
    /// Much of it: events that fill their messages.
    Bulk,
}

impl Lane {
    /// The lane of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.name() == name)
    }

    /// Both.
    pub const ALL: [Self; 2] = [Self::Live, Self::Bulk];

    /// `live` or `bulk`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bulk => "bulk",
        }
    }
}

/// Takes a URL apart and opens nothing: what `fuzz/` feeds.
///
/// # Errors
/// [`Error::Url`] where the URL cannot be used.
#[cfg(fuzzing)]
pub fn parse(url: &str) -> Result<(), Error> {
    Address::parse(url).map(|_| ())
}

/// Puts events on the bus. Cheap to clone.
#[derive(Clone)]
pub struct Writer(WriterBackend);

#[derive(Clone)]
enum WriterBackend {
    Memory(memory::Writer),
    Nats(Box<nats::Writer>),
}

impl Writer {
    /// A writer for this URL. Connects in the background: until [`Writer::run`] has prepared the
    /// bus, publishing fails with [`Error::Unavailable`].
    ///
    /// # Errors
    /// [`Error::Url`] where the URL cannot be used.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Ok(Self(match Address::parse(url)? {
            Address::Memory(name) => WriterBackend::Memory(memory::Writer::open(&name)),
            Address::Nats(address) => WriterBackend::Nats(Box::new(nats::Writer::open(address).await?)),
        }))
    }

    /// Prepares the bus and keeps it prepared, through lost connections and streams that vanish;
    /// tells `ready` whenever that changes. Ends only when dropped or with an error that needs a
    /// person: [`Error::Refused`].
    ///
    /// # Errors
    /// [`Error::Refused`] where the server is too old or its stream would lose data.
    pub async fn run(self, ready: impl FnMut(bool)) -> Result<(), Error> {
        match &self.0 {
            WriterBackend::Memory(writer) => writer.run(ready).await,
            WriterBackend::Nats(writer) => writer.run(ready).await,
        }
    }

    /// Whether the bus is there and prepared, as [`Writer::run`] tells it.
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            WriterBackend::Memory(_) => true,
            WriterBackend::Nats(writer) => writer.is_ready(),
        }
    }

    /// Publishes one event and returns when it is stored (or, with `memory://`, handled). Waits
    /// while too much is in flight already.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it may or may not have been stored; publish it again.
    pub async fn publish(&self, lane: Lane, event: Event) -> Result<(), Error> {
        match &self.0 {
            WriterBackend::Memory(writer) => writer.publish(lane, event).await,
            WriterBackend::Nats(writer) => writer.publish(lane, event).await,
        }
    }

    /// As [`Writer::publish`], for an event that was a dead letter. The header `odograph-redriven` holds
    /// `mark`, which tells this copy of the event from all others; `headers` are those that the event came
    /// with beside its own.
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

    /// Whether other programs read what this one publishes: not with `memory://`.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, WriterBackend::Nats(_))
    }

    /// The latest moment that the bus knows to be past, in microseconds since 1970: the time of its
    /// last event, or the server's own where it tells it. `None` where the bus knows none: `memory://`.
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

/// Takes events from one lane of the bus. Readers of one lane share its events between them.
pub struct Reader(ReaderBackend);

enum ReaderBackend {
    Memory(memory::Reader),
    Nats(Box<nats::Reader>),
}

impl Reader {
    /// A reader of this lane of the bus of this URL; connects in the background.
    ///
    /// # Errors
    /// [`Error::Url`] where the URL cannot be used.
    pub async fn open(url: &str, lane: Lane) -> Result<Self, Error> {
        Ok(Self(match Address::parse(url)? {
            Address::Memory(name) => ReaderBackend::Memory(memory::Reader::open(&name, lane)),
            Address::Nats(address) => {
                ReaderBackend::Nats(Box::new(nats::Reader::open(address, nats::Wanted::Lane(lane)).await?))
            }
        }))
    }

    /// A reader of everything that the bus has kept, of both lanes, from its start or from what
    /// was stored at `since` (microseconds since 1970) on, whether it was handled before or not, up
    /// to what it holds when the reading begins. Then its backlog is 0.
    /// It takes nothing away from other readers. What it has acknowledged is remembered, and what it
    /// has not is not trimmed, until [`Reader::end`], or until nothing was heard from it for ten
    /// minutes.
    ///
    /// # Errors
    /// [`Error::Url`] where the URL cannot be used, or names a bus that keeps nothing.
    pub async fn history(url: &str, since: Option<i64>) -> Result<Self, Error> {
        match Address::parse(url)? {
            Address::Memory(_) => Err(Error::Url(
                "memory:// keeps nothing that could be read again; name a nats:// bus".into(),
            )),
            Address::Nats(address) => Ok(Self(ReaderBackend::Nats(Box::new(
                nats::Reader::open(address, nats::Wanted::History(since)).await?,
            )))),
        }
    }

    /// Ends reading a history: what was held back for this reader may be trimmed from now on. The
    /// readers of a lane share what they have acknowledged; for them, nothing changes.
    pub async fn end(mut self) {
        if let ReaderBackend::Nats(reader) = &mut self.0 {
            reader.end().await;
        }
    }

    /// How many events of the lane, or of the history, are not acknowledged yet.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again after a while.
    pub async fn backlog(&mut self) -> Result<u64, Error> {
        match &mut self.0 {
            ReaderBackend::Memory(reader) => Ok(reader.backlog()),
            ReaderBackend::Nats(reader) => reader.backlog().await,
        }
    }

    /// Whether publishers wait until their events are acknowledged: then whoever takes one should
    /// not let it lie to gather more.
    pub fn is_awaited(&self) -> bool {
        matches!(self.0, ReaderBackend::Memory(_))
    }

    /// The next event, however long it takes to come. `room` is how many bytes of further events
    /// the caller can hold; no more than that is asked of the bus in advance, and nothing new
    /// below [`MIN_ROOM`]. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again after a while. [`Error::Refused`]: a person is needed.
    pub async fn next(&mut self, room: usize) -> Result<Delivery, Error> {
        match &mut self.0 {
            ReaderBackend::Memory(reader) => reader.next().await,
            ReaderBackend::Nats(reader) => reader.next(room).await,
        }
    }

    /// The events that have come already and were not asked for yet; for a caller that will not
    /// ask any more, to give them back.
    pub fn taken(&mut self) -> Vec<Delivery> {
        match &mut self.0 {
            // Its publishers learn from the end of the bus that nobody took them.
            ReaderBackend::Memory(_) => Vec::new(),
            ReaderBackend::Nats(reader) => reader.taken(),
        }
    }

    /// A writer to the same bus, over the same connection, to keep the bus prepared with
    /// [`Writer::run`].
    pub fn writer(&self) -> Writer {
        match &self.0 {
            ReaderBackend::Memory(reader) => Writer(WriterBackend::Memory(reader.writer())),
            ReaderBackend::Nats(reader) => Writer(WriterBackend::Nats(Box::new(reader.writer()))),
        }
    }

    /// Who trims what this bus keeps of handled events, over the same connection; `None` where it
    /// keeps nothing: `memory://`.
    pub fn keeper(&self) -> Option<Keeper> {
        match &self.0 {
            ReaderBackend::Memory(_) => None,
            ReaderBackend::Nats(reader) => Some(Keeper(reader.keeper())),
        }
    }

    /// The dead letters that earlier versions have left on the bus, over the same connection; `None` for
    /// `memory://`, which never held any.
    pub fn dead_letters(&self) -> Option<DeadLetters> {
        match &self.0 {
            ReaderBackend::Memory(_) => None,
            ReaderBackend::Nats(reader) => Some(DeadLetters(reader.dead_letters())),
        }
    }
}

/// An event that a reader was given and has not acknowledged yet.
pub struct Delivery {
    /// The event.
    pub event: Event,
    /// The lane that it came through; none for what never went through one.
    pub lane: Option<Lane>,
    receipt: Receipt,
}

enum Receipt {
    Memory(memory::Receipt),
    Nats(Box<nats::Receipt>),
}

impl Delivery {
    /// Tells the bus that the event is handled for good. Waits only for a moment: an
    /// acknowledgement that cannot be sent then, or gets lost on its way, means that the event is
    /// delivered again. A second call does nothing.
    pub async fn ack(&mut self) {
        Self::ack_all(std::slice::from_mut(self)).await;
    }

    /// As [`Delivery::ack`], for many that share the moment.
    pub async fn ack_all(deliveries: &mut [Self]) {
        for_a_moment(async {
            for delivery in deliveries {
                match &mut delivery.receipt {
                    Receipt::Memory(receipt) => receipt.ack(),
                    Receipt::Nats(receipt) => receipt.ack().await,
                }
            }
        })
        .await;
    }

    /// The mark that the event was published again with; empty where it came for the first time.
    pub fn mark(&self) -> String {
        match &self.receipt {
            Receipt::Memory(_) => String::new(),
            Receipt::Nats(receipt) => receipt.mark(),
        }
    }

    /// Further headers that the event came with, name and value: none of its own, no orders to the server,
    /// and no more than 2 KiB.
    pub fn headers(&self) -> Vec<(String, String)> {
        match &self.receipt {
            Receipt::Memory(_) => Vec::new(),
            Receipt::Nats(receipt) => receipt.foreign(),
        }
    }

    /// Tells the bus that these events are still being worked on, so that they are not given to
    /// another reader meanwhile. To be called at least every [`PROGRESS`]; waits only for a moment.
    pub async fn progress_all(deliveries: &[Self]) {
        for_a_moment(async {
            for delivery in deliveries {
                if let Receipt::Nats(receipt) = &delivery.receipt {
                    receipt.progress().await;
                }
            }
        })
        .await;
    }

    /// Gives these events back, to be delivered again at once, or after a while where the bus
    /// cannot be told within a moment.
    pub async fn release_all(deliveries: Vec<Self>) {
        for_a_moment(async {
            for delivery in &deliveries {
                if let Receipt::Nats(receipt) = &delivery.receipt {
                    receipt.release().await;
                }
            }
        })
        .await;
    }

    /// Bytes that the event takes in memory, roughly.
    pub fn size(&self) -> usize {
        self.event.payload.len() + 512
    }
}

/// Waits until the bus was told of deliveries, or for [`MOMENT`]. What it was not told of comes again.
async fn for_a_moment(telling: impl Future<Output = ()>) {
    if tokio::time::timeout(MOMENT, telling).await.is_err() {
        tracing::debug!("the event bus takes no acknowledgements; their events come again");
    }
}

/// How long the bus may take to be told of deliveries: a full queue of a client whose server answers
/// empties much faster.
const MOMENT: std::time::Duration = std::time::Duration::from_secs(1);

/// How often [`Delivery::progress_all`] is due; the bus gives up on a reader after three times this.
pub const PROGRESS: std::time::Duration = std::time::Duration::from_secs(10);
