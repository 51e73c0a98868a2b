//! The bus inside one process: no log, so the publisher waits until its event is handled.

use crate::{Error, Event, Lane};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

/// Events that may wait for a reader, per lane.
const CAPACITY: usize = 64;

/// How long a publisher waits for its event to be handled before it is told to try again.
const TIMEOUT: Duration = Duration::from_secs(10);

struct Bus {
    live: Queue,
    bulk: Queue,
}

impl Bus {
    fn lane(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Live => &self.live,
            Lane::Bulk => &self.bulk,
        }
    }
}

struct Queue {
    sender: mpsc::Sender<Published>,
    receiver: AsyncMutex<mpsc::Receiver<Published>>,
}

struct Published {
    event: Event,
    lane: Lane,
    handled: oneshot::Sender<()>,
}

impl Queue {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Self {
            sender,
            receiver: AsyncMutex::new(receiver),
        }
    }

    async fn send(&self, event: Event, lane: Lane) -> Result<(), Error> {
        let (handled, done) = oneshot::channel();
        let published = Published { event, lane, handled };
        let send = async {
            // The receiver lives in the bus, so the channel is open while the bus is.
            let _ = self.sender.send(published).await;
            done.await
        };
        match tokio::time::timeout(TIMEOUT, send).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::Unavailable("the reader gave the event back".into())),
            Err(_) => Err(Error::Unavailable("the event was not handled in time".into())),
        }
    }

    async fn next(&self) -> (Event, Lane, Receipt) {
        loop {
            match self.receiver.lock().await.recv().await {
                // Its publisher has given up and will publish it again.
                Some(published) if published.handled.is_closed() => {}
                Some(Published { event, lane, handled }) => {
                    return (event, lane, Receipt(Some(handled)));
                }
                // Unreachable: `self` is part of the bus and keeps the sender open.
                None => std::future::pending().await,
            }
        }
    }
}

/// The bus of this name, made if it is not open yet.
fn bus(name: &str) -> Arc<Bus> {
    static BUSES: OnceLock<Mutex<HashMap<String, Weak<Bus>>>> = OnceLock::new();
    let mut buses = BUSES
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(bus) = buses.get(name).and_then(Weak::upgrade) {
        return bus;
    }
    buses.retain(|_, bus| bus.strong_count() > 0);
    let bus = Arc::new(Bus {
        live: Queue::new(),
        bulk: Queue::new(),
    });
    buses.insert(name.to_owned(), Arc::downgrade(&bus));
    bus
}

#[derive(Clone)]
pub(crate) struct Writer(Arc<Bus>);

impl Writer {
    pub(crate) fn open(name: &str) -> Self {
        Self(bus(name))
    }

    pub(crate) async fn run(&self, mut ready: impl FnMut(bool)) -> Result<(), Error> {
        ready(true);
        std::future::pending().await
    }

    pub(crate) async fn publish(&self, lane: Lane, event: Event) -> Result<(), Error> {
        self.0.lane(lane).send(event, lane).await
    }
}

pub(crate) struct Reader {
    bus: Arc<Bus>,
    lane: Lane,
}

impl Reader {
    pub(crate) fn open(name: &str, lane: Lane) -> Self {
        Self { bus: bus(name), lane }
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer(self.bus.clone())
    }

    pub(crate) async fn next(&mut self) -> (Event, Lane, Receipt) {
        self.bus.lane(self.lane).next().await
    }

    pub(crate) fn backlog(&self) -> u64 {
        let sender = &self.bus.lane(self.lane).sender;
        (sender.max_capacity() - sender.capacity()) as u64
    }
}

/// Acknowledgement of an event. Dropping it tells the publisher that the event was not handled.
pub(crate) struct Receipt(Option<oneshot::Sender<()>>);

impl Receipt {
    pub(crate) fn ack(&mut self) {
        if let Some(handled) = self.0.take() {
            // A publisher that no longer waits will publish again, which is harmless.
            let _ = handled.send(());
        }
    }
}
