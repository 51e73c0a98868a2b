//! Stores the messages of a batch, however long that takes.

use crate::metrics::Metrics;
use crate::options::Storing;
use crate::room::Room;
use bytes::Bytes;
use event::{Delivery, Event, PROGRESS_INTERVAL};
use reading::message::Message;
use reading::segment;
use repeat::Pauses;
use service::{Latch, Service};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use store::{Error, Store, Stored};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// Why a batch as a whole is not retried.
#[derive(Debug)]
enum Refusal {
    /// The database refuses its data, for this reason.
    Data(String),
    /// The batch takes too long.
    Slow,
}

/// Shared state of all batches being stored.
pub(super) struct Work {
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    stored: Latch,
    pub(super) drain_deadline: CancellationToken,
    /// Reads a history once, beside the live consumers.
    pub(super) once: bool,
    /// Receipts show invalid lines.
    pub(super) receipt_lines: bool,
    /// Admits one writer of dead letters, since they have one connection.
    pub(super) letter_slot: Arc<Semaphore>,
    pub(super) room: Room,
}

/// Tells the bus at intervals that these messages are in work, beside the work itself.
async fn keep_in_work(deliveries: &[Delivery]) -> Infallible {
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    loop {
        ticks.tick().await;
        Delivery::progress_all(deliveries).await;
    }
}

/// Runs the task of one message, and tells the bus that the waiting rest is in work.
pub(super) async fn in_work_meanwhile(rest: &mut VecDeque<Delivery>, task: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = task => {}
        never = keep_in_work(rest.make_contiguous()) => match never {},
    }
}

impl Work {
    pub(super) fn new(store: Store, options: &Storing, service: &Service, once: bool) -> Self {
        let metrics = Metrics::default();
        metrics.register(service);
        let stored = service.latch("storing");
        stored.set(true);
        Self {
            store,
            room: Room::new(options.dead_letter_bytes, &metrics),
            metrics,
            stored,
            drain_deadline: service.drain_deadline(),
            once,
            receipt_lines: options.receipt_lines,
            letter_slot: Arc::new(Semaphore::new(1)),
        }
    }

    /// Stores these messages and acknowledges them. Gives them back where the program ends before the
    /// database takes them.
    pub(super) async fn finish(&self, batch: Vec<Delivery>) {
        let (batch, unreadable) = sort_out(batch);
        // Of a history: subscriptions were told of these when they were stored first.
        let (told, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|delivery| delivery.is_acknowledged);
        // Side by side: a bad message never waits for its neighbours, nor they for it.
        tokio::join!(
            self.store_unreadable(unreadable),
            self.finish_good(told),
            self.finish_good(batch)
        );
    }

    /// Stores and acknowledges readable messages, as [`Work::finish`].
    async fn finish_good(&self, mut batch: Vec<Delivery>) {
        if batch.is_empty() {
            return;
        }
        match self.store_or_give_up(&mut batch).await {
            None => Delivery::release_all(batch).await,
            Some(Ok(stored)) => self.acknowledge(batch, stored).await,
            Some(Err(Refusal::Data(reason))) if batch.len() == 1 => {
                for mut delivery in batch {
                    self.store_refused(&mut delivery, &reason).await;
                }
            }
            Some(Err(refusal)) => {
                tracing::warn!(
                    ?refusal,
                    messages = batch.len(),
                    "storing the messages of a batch one by one"
                );
                let mut rest = VecDeque::from(batch);
                while let Some(delivery) = rest.pop_front() {
                    // One level deep: a batch of one is not split again.
                    let finishing = Box::pin(self.finish_good(vec![delivery]));
                    in_work_meanwhile(&mut rest, finishing).await;
                }
            }
        }
    }

    async fn acknowledge(&self, mut batch: Vec<Delivery>, stored: Stored) {
        self.metrics.persisted.inc_by(stored.persisted);
        self.metrics.duplicates.inc_by(stored.duplicates);
        self.metrics.conflicts.inc_by(stored.conflicts);
        self.metrics.batches.inc();
        Delivery::ack_all(&mut batch).await;
    }

    /// Stores a batch, however long it takes. `None` where the program ends first; an error where another try
    /// with the whole batch cannot succeed.
    async fn store_or_give_up(&self, batch: &mut [Delivery]) -> Option<Result<Stored, Refusal>> {
        let mut pauses = Pauses::outage();
        let messages: Vec<Message> = batch
            .iter()
            .filter_map(|delivery| read_event(&delivery.event).ok())
            .collect();
        let is_told = batch.iter().all(|delivery| delivery.is_acknowledged);
        loop {
            let writing = async {
                if is_told {
                    self.store.write_silently(&messages).await
                } else {
                    self.store.write(&messages).await
                }
            };
            match self.with_progress(batch, writing).await? {
                Ok(stored) => {
                    self.stored.set(true);
                    return Some(Ok(stored));
                }
                Err(Error::Data(state)) => {
                    return Some(Err(Refusal::Data(format!(
                        "the database refuses it (SQLSTATE {state})"
                    ))));
                }
                Err(Error::Slow(_)) if batch.len() > 1 => return Some(Err(Refusal::Slow)),
                Err(error @ (Error::Slow(_) | Error::Unavailable(_))) => {
                    self.stored.set(false);
                    self.metrics.retries.inc();
                    let cause = anyhow::Error::from(error);
                    tracing::warn!(error = format!("{cause:#}"), "could not store readings; trying again");
                    self.wait(batch, &mut pauses).await?;
                }
            }
        }
    }

    /// Waits before another try, longer each time. `None` where the program ends first.
    pub(super) async fn wait(&self, batch: &[Delivery], pauses: &mut Pauses) -> Option<()> {
        self.with_progress(batch, sleep(pauses.grow())).await
    }

    /// Awaits `task`, and tells the bus meanwhile that these messages are in work. `None` where the program
    /// ends first.
    pub(super) async fn with_progress<T>(&self, batch: &[Delivery], task: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            ended = task => Some(ended),
            () = self.drain_deadline.cancelled() => None,
            never = keep_in_work(batch) => match never {},
        }
    }
}

/// Splits messages into readable and unreadable ones.
fn sort_out(batch: Vec<Delivery>) -> (Vec<Delivery>, Vec<Delivery>) {
    batch
        .into_iter()
        .partition(|delivery| read_event(&delivery.event).is_ok())
}

/// Decodes the message in an event of this kind, or says why it cannot.
pub(super) fn read(kind: &str, id: &str, payload: &Bytes) -> Result<Message, String> {
    if kind != segment::KIND {
        return Err(unknown(kind));
    }
    Message::read(id, payload).map_err(|error| error.to_string())
}

/// The reason for an event of an unknown kind.
pub(super) fn unknown(kind: &str) -> String {
    format!("the event type {kind:?} is unknown")
}

pub(super) fn read_event(event: &Event) -> Result<Message, String> {
    read(&event.kind, &event.id, &event.payload)
}
