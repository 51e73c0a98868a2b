//! Takes readings from the event bus, has them stored, and only then acknowledges them.
//!
//! A batch closes when it is full, or when nothing more is waiting and a connection is free to
//! store it: while some batches are being stored, the next one gathers. A batch that the database
//! cannot take now is kept and tried again without end, its messages told to be still in work. One
//! whose data is refused is taken apart: each message alone, and one that fails alone becomes a
//! dead letter. Nothing else does.

use super::batch::Batch;
use super::postgres::{Error, Store, Stored};
use super::segment;
use event::{DeadLetters, Delivery, PROGRESS, Reader, Writer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use service::{Latch, Service};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// How readings are stored, as flags.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Storing {
    /// Readings in one transaction, about
    #[arg(long, env, default_value_t = 50_000, value_name = "NUMBER")]
    pub batch_readings: usize,

    /// Transactions at once, each over a connection of its own
    #[arg(long, env, default_value_t = 2, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub writers: u8,
}

/// Bytes of a batch's messages beyond which nothing is added to it.
const BATCH_BYTES: usize = 4 << 20;

/// The shortest message; smaller ones are counted as this, so that a batch's messages are bounded.
const SMALLEST: usize = 1024;

/// Between tries of what is unavailable.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Stores what the event bus brings.
pub struct Persistor {
    reader: Reader,
    work: Arc<Work>,
    slots: Arc<Semaphore>,
    batch_bytes: usize,
}

/// Why a batch is not tried again as a whole.
#[derive(Debug)]
enum Refusal {
    /// Its data is at fault; why.
    Data(String),
    /// It is too much at once.
    Slow,
}

/// What every batch being stored needs.
struct Work {
    store: Store,
    writer: Writer,
    metrics: Metrics,
    stored: Latch,
    hurry: CancellationToken,
}

#[derive(Default)]
struct Metrics {
    stored: Counter,
    duplicates: Counter,
    conflicts: Counter,
    batches: Counter,
    dead: Counter,
    retries: Counter,
    held: Gauge,
}

impl Persistor {
    /// Stores what `reader` brings through `store`.
    pub fn new(reader: Reader, store: Store, options: Storing, service: &Service) -> Self {
        let metrics = Metrics::default();
        metrics.register(service);
        let stored = service.latch("storing");
        stored.set(true);
        let work = Work {
            store,
            writer: reader.writer(),
            metrics,
            stored,
            hurry: service.hurry(),
        };
        // A reading takes 16 bytes of a message.
        let batch_bytes = options.batch_readings.saturating_mul(16).clamp(SMALLEST, BATCH_BYTES);
        Self {
            reader,
            work: Arc::new(work),
            slots: Arc::new(Semaphore::new(options.writers.into())),
            batch_bytes,
        }
    }

    /// Works until `stop`, then stores what it holds.
    ///
    /// # Errors
    /// Where the bus needs a person: see [`event::Error::Refused`].
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut under_way = JoinSet::new();
        let mut held = Held::default();
        let mut pause = Pause::default();
        let mut progress = interval(PROGRESS);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if let Some(letters) = self.reader.dead_letters() {
            under_way.spawn(self.work.clone().keep_dead_letters(letters, stop.clone()));
        }
        loop {
            let full = held.bytes >= self.batch_bytes;
            // A full batch may still be joined by what was asked for already: left with the
            // client, nobody would tell the bus that it is in work.
            let room = (self.batch_bytes + event::MIN_ROOM).saturating_sub(held.bytes);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = progress.tick(), if !held.is_empty() => tell_progress(&held.deliveries).await,
                slot = slot(&self.slots), if full => self.store(&mut under_way, held.take(), slot),
                next = next(&mut self.reader, room, &pause) => match next {
                    Ok(delivery) => {
                        pause.over();
                        held.push(delivery);
                    }
                    Err(event::Error::Unavailable(error)) => {
                        pause.longer();
                        // At start it is only being connected to.
                        if pause.length > Duration::from_secs(1) {
                            tracing::warn!(error, "the event bus does not answer; trying again");
                        }
                    }
                    Err(error) => return Err(error.into()),
                },
                slot = slot(&self.slots), if !held.is_empty() => self.store(&mut under_way, held.take(), slot),
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => ended?,
            }
            let count = i64::try_from(held.deliveries.len()).unwrap_or(i64::MAX);
            self.work.metrics.held.set(count);
        }
        release(self.reader.taken()).await;
        if !held.is_empty() {
            self.work.finish(held.take()).await;
        }
        while let Some(ended) = under_way.join_next().await {
            ended?;
        }
        Ok(())
    }

    /// Has a batch stored while the next one gathers.
    fn store(&self, under_way: &mut JoinSet<()>, batch: Vec<Delivery>, slot: OwnedSemaphorePermit) {
        let work = self.work.clone();
        under_way.spawn(async move {
            work.finish(batch).await;
            drop(slot);
        });
    }
}

/// The batch that gathers.
#[derive(Default)]
struct Held {
    deliveries: Vec<Delivery>,
    bytes: usize,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    fn push(&mut self, delivery: Delivery) {
        self.bytes += delivery.size().max(SMALLEST);
        self.deliveries.push(delivery);
    }

    fn take(&mut self) -> Vec<Delivery> {
        self.bytes = 0;
        std::mem::take(&mut self.deliveries)
    }
}

async fn slot(slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    slots.clone().acquire_owned().await.expect("the slots are never closed")
}

/// The next delivery, after the pause that is due. Loses nothing when it is dropped.
async fn next(reader: &mut Reader, room: usize, pause: &Pause) -> Result<Delivery, event::Error> {
    if let Some(until) = pause.until {
        sleep_until(until).await;
    }
    reader.next(room).await
}

async fn tell_progress(held: &[Delivery]) {
    for delivery in held {
        delivery.progress().await;
    }
}

impl Work {
    /// Stores these messages and acknowledges them; or gives them back, where the program ends
    /// before the database can take them.
    async fn finish(&self, batch: Vec<Delivery>) {
        let (batch, unreadable) = sort_out(batch);
        for (mut delivery, reason) in unreadable {
            self.bury(&mut delivery, &reason).await;
        }
        if batch.is_empty() {
            return;
        }
        let mut batch = batch;
        match self.store_or_give_up(&mut batch).await {
            None => release(batch).await,
            Some(Ok(stored)) => self.acknowledge(batch, stored).await,
            Some(Err(Refusal::Data(reason))) if batch.len() == 1 => {
                for mut delivery in batch {
                    self.bury(&mut delivery, &reason).await;
                }
            }
            Some(Err(refusal)) => {
                tracing::warn!(
                    ?refusal,
                    messages = batch.len(),
                    "storing the messages of a batch one by one"
                );
                for delivery in batch {
                    // One level deep: a batch of one is never taken apart again.
                    Box::pin(self.finish(vec![delivery])).await;
                }
            }
        }
    }

    async fn acknowledge(&self, batch: Vec<Delivery>, stored: Stored) {
        self.metrics.stored.inc_by(stored.stored);
        self.metrics.duplicates.inc_by(stored.duplicates);
        self.metrics.conflicts.inc_by(stored.conflicts);
        self.metrics.batches.inc();
        for mut delivery in batch {
            delivery.ack().await;
        }
    }

    /// Stores a batch, however long it takes. `None` where the program ends first; an error where
    /// trying again with all of it is of no use.
    async fn store_or_give_up(&self, batch: &mut [Delivery]) -> Option<Result<Stored, Refusal>> {
        let mut pause = Pause::default();
        loop {
            let mut readings = Batch::default();
            for delivery in &*batch {
                // Each was read whole before.
                let _ = readings.add(&delivery.event.payload);
            }
            match self.with_progress(batch, self.store.write(readings)).await? {
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
                    pause.longer();
                    let until = pause.until.unwrap_or_else(Instant::now);
                    self.with_progress(batch, sleep_until(until)).await?;
                }
            }
        }
    }

    /// Waits for `task`, telling the bus meanwhile that these messages are in work. `None` where
    /// the program cannot wait any longer.
    async fn with_progress<T>(&self, batch: &[Delivery], task: impl Future<Output = T>) -> Option<T> {
        let mut task = std::pin::pin!(task);
        let mut ticks = interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        loop {
            tokio::select! {
                biased;
                ended = &mut task => return Some(ended),
                () = self.hurry.cancelled() => return None,
                _ = ticks.tick() => tell_progress(batch).await,
            }
        }
    }

    async fn bury(&self, delivery: &mut Delivery, reason: &str) {
        self.metrics.dead.inc();
        let event = delivery.event.id.clone();
        let mut pause = Pause::default();
        loop {
            match delivery.bury(&self.writer, reason).await {
                Ok(()) => {
                    tracing::error!(event, reason, "a message became a dead letter");
                    return;
                }
                Err(error) => {
                    tracing::warn!(event, %error, "could not keep a dead letter; trying again");
                    pause.longer();
                    let until = pause.until.unwrap_or_else(Instant::now);
                    let waited = self
                        .with_progress(std::slice::from_ref(delivery), sleep_until(until))
                        .await;
                    if waited.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Keeps the dead letters that the bus cannot, until `stop`. Unacknowledged, the publisher of
    /// one sends it again.
    async fn keep_dead_letters(self: Arc<Self>, mut letters: DeadLetters, stop: CancellationToken) {
        while let Some((mut delivery, reason)) = stop.run_until_cancelled(letters.next()).await {
            match self.store.keep_dead_letter(&delivery.event, &reason).await {
                Ok(()) => delivery.ack().await,
                Err(error) => {
                    tracing::warn!(
                        error = format!("{:#}", anyhow::Error::from(error)),
                        "could not keep a dead letter"
                    );
                }
            }
        }
    }
}

/// Messages that hold readings, and those that cannot be read with the reason.
fn sort_out(batch: Vec<Delivery>) -> (Vec<Delivery>, Vec<(Delivery, String)>) {
    let (mut good, mut bad) = (Vec::with_capacity(batch.len()), Vec::new());
    for delivery in batch {
        let judged = if delivery.event.kind == segment::KIND {
            segment::read(&delivery.event.payload, |_, _| ()).map_err(|error| error.to_string())
        } else {
            Err(format!("the event type {:?} is unknown", delivery.event.kind))
        };
        match judged {
            Ok(()) => good.push(delivery),
            Err(reason) => bad.push((delivery, reason)),
        }
    }
    (good, bad)
}

async fn release(batch: Vec<Delivery>) {
    for delivery in batch {
        delivery.release().await;
    }
}

/// A growing pause between tries.
#[derive(Default)]
struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Pause {
    fn longer(&mut self) {
        self.length = (self.length * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.until = Some(Instant::now() + self.length);
    }

    fn over(&mut self) {
        *self = Self::default();
    }
}

impl Metrics {
    fn register(&self, service: &Service) {
        let mut registry = service.metrics();
        let counters = [
            ("persistor_readings_stored", "Readings stored", &self.stored),
            (
                "persistor_readings_duplicate",
                "Readings that were there already",
                &self.duplicates,
            ),
            (
                "persistor_readings_conflict",
                "Readings whose identity was there already with another value",
                &self.conflicts,
            ),
            (
                "persistor_batches_stored",
                "Transactions that stored readings",
                &self.batches,
            ),
            (
                "persistor_dead_letters",
                "Messages that became dead letters",
                &self.dead,
            ),
            ("persistor_retries", "Batches tried again", &self.retries),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "persistor_held_messages",
            "Messages gathered for the next batch",
            self.held.clone(),
        );
    }
}
