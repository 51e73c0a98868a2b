//! Takes readings from the event bus, has them stored, and only then acknowledges them.
//!
//! Each lane of the bus is read by itself and has connections of its own, so that a small upload
//! never waits for a month of history. A batch closes when it is full, or when nothing more is
//! waiting and a connection is free to store it: while some batches are being stored, the next one
//! gathers. Small batches keep a short distance, because a transaction costs the database about
//! the same whether it holds six readings or a thousand. A batch that the database
//! cannot take now is kept and tried again without end, its messages told to be still in work. One
//! whose data is refused is taken apart: each message alone, and one that fails alone becomes a
//! dead letter. Nothing else does.

pub mod dead;
mod letters;
mod metrics;
mod pause;
mod trim;

pub use self::trim::History;

use self::metrics::Metrics;
use self::pause::Pause;
use self::trim::Trimmer;
use event::{Delivery, Event, Lane, PROGRESS, Reader, Writer};
use futures_util::future::try_join_all;
use reading::message::Message;
use reading::segment;
use service::{Latch, Service};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use store::{Error, Store, Stored};
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

    /// Transactions at once on each lane of the bus, large uploads and small ones, each over a
    /// connection of its own
    #[arg(long, env, default_value_t = 2, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub writers: u8,

    /// Transactions that are not full begin at least this far apart, so that many small posts
    /// share them; at most 1s
    #[arg(long, env, default_value = "20ms", value_parser = batch_interval, value_name = "DURATION")]
    pub batch_interval: Duration,
}

fn batch_interval(text: &str) -> Result<Duration, String> {
    match service::duration(text)? {
        interval if interval <= Duration::from_secs(1) => Ok(interval),
        _ => Err("at most 1s: small posts are not visible before".to_owned()),
    }
}

impl Storing {
    /// Connections to the database that a persistor with these settings uses at the most.
    pub fn connections(&self) -> usize {
        // One more, for dead letters.
        usize::from(self.writers) * Lane::ALL.len() + 1
    }
}

/// Bytes of a batch's messages beyond which nothing is added to it.
const BATCH_BYTES: usize = 4 << 20;

/// The shortest message; smaller ones are counted as this, so that a batch's messages are bounded.
const SMALLEST: usize = 1024;

/// What a series counts, beside its bytes in a message: it takes more room than its readings where
/// those are few.
const SERIES: usize = 64;

/// Stores what the event bus brings.
pub struct Persistor {
    lanes: Vec<Gatherer>,
    work: Arc<Work>,
    trimmer: Option<Trimmer>,
}

/// Gathers the batches of one reader.
struct Gatherer {
    reader: Reader,
    work: Arc<Work>,
    slots: Arc<Semaphore>,
    batch_bytes: usize,
    /// Between the beginnings of two batches that are not full.
    interval: Duration,
}

/// How often somebody who reads everything once looks whether that is all.
const LOOK: Duration = Duration::from_millis(100);

/// What a persistor has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Readings stored.
    pub stored: u64,
    /// Readings that were there already.
    pub duplicates: u64,
    /// Readings whose identity was there already with another value.
    pub conflicts: u64,
    /// Messages that became dead letters.
    pub dead: u64,
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
    /// Everything that there is to read is read once, by somebody beside the ones whose work it is.
    once: bool,
}

impl Persistor {
    /// Readers of every lane of this bus.
    ///
    /// # Errors
    /// [`event::Error::Url`] where the URL cannot be used.
    pub async fn readers(url: &str) -> Result<Vec<Reader>, event::Error> {
        try_join_all(Lane::ALL.map(|lane| Reader::open(url, lane))).await
    }

    /// Stores what these readers bring through `store`, and trims the history that their bus
    /// keeps. They read one bus.
    ///
    /// # Panics
    /// Without any reader.
    pub fn new(readers: Vec<Reader>, store: Store, options: Storing, history: History, service: &Service) -> Self {
        let keeper = readers.first().and_then(Reader::keeper);
        Self {
            trimmer: keeper.map(|keeper| Trimmer::new(keeper, history, service)),
            ..Self::over(readers, store, options, service, false)
        }
    }

    /// Stores a history, for [`Persistor::run_once`]. What cannot be stored was buried when it
    /// came first: it is counted and logged, and the bus is only read.
    pub fn of_history(reader: Reader, store: Store, options: Storing, service: &Service) -> Self {
        Self::over(vec![reader], store, options, service, true)
    }

    fn over(readers: Vec<Reader>, store: Store, options: Storing, service: &Service, once: bool) -> Self {
        let metrics = Metrics::default();
        metrics.register(service);
        let stored = service.latch("storing");
        stored.set(true);
        let work = Arc::new(Work {
            store,
            writer: readers.first().expect("a persistor reads something").writer(),
            metrics,
            stored,
            hurry: service.hurry(),
            once,
        });
        let gatherer = |reader: Reader| Gatherer {
            // Where somebody waits for each event, letting it lie would only make them wait.
            interval: if reader.is_awaited() {
                Duration::ZERO
            } else {
                options.batch_interval
            },
            reader,
            work: work.clone(),
            slots: Arc::new(Semaphore::new(options.writers.into())),
            // A reading takes 16 bytes of a message.
            batch_bytes: options.batch_readings.saturating_mul(16).clamp(SMALLEST, BATCH_BYTES),
        };
        Self {
            lanes: readers.into_iter().map(gatherer).collect(),
            work,
            trimmer: None,
        }
    }

    /// Works until all that its readers have is stored, or until `stop`, and tells what it did.
    ///
    /// # Errors
    /// As [`Persistor::run`].
    pub async fn run_once(self, stop: CancellationToken) -> anyhow::Result<Totals> {
        let work = self.work.clone();
        self.run(stop).await?;
        Ok(Totals {
            stored: work.metrics.stored.get(),
            duplicates: work.metrics.duplicates.get(),
            conflicts: work.metrics.conflicts.get(),
            dead: work.metrics.dead.get(),
        })
    }

    /// Works until `stop`, then stores what it holds.
    ///
    /// # Errors
    /// Where the bus needs a person: see [`event::Error::Refused`].
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let letters = self.lanes.iter().find_map(|lane| lane.reader.dead_letters());
        let burying = async {
            if let Some(letters) = letters {
                self.work.keep_dead_letters(letters, stop.clone()).await;
            }
            Ok(())
        };
        let trimming = async {
            if let Some(trimmer) = &self.trimmer {
                trimmer.run(stop.clone()).await;
            }
            Ok(())
        };
        let lanes = try_join_all(self.lanes.into_iter().map(|lane| lane.run(stop.clone())));
        let forgetting = async {
            if !self.work.once {
                let keeper = self.trimmer.as_ref().map(Trimmer::keeper);
                self.work.forget_dead_letters(keeper, stop.clone()).await;
            }
            Ok(())
        };
        tokio::try_join!(lanes, burying, trimming, forgetting)?;
        Ok(())
    }
}

impl Gatherer {
    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut under_way = JoinSet::new();
        let mut held = Held::default();
        let mut pause = Pause::default();
        let mut due = Instant::now();
        let mut progress = interval(PROGRESS);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let full = held.bytes >= self.batch_bytes;
            // A full batch may still be joined by what was asked for already: left with the
            // client, nobody would tell the bus that it is in work.
            let room = (self.batch_bytes + event::MIN_ROOM).saturating_sub(held.bytes);
            let before = held.deliveries.len();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = progress.tick(), if !held.is_empty() => Delivery::progress_all(&held.deliveries).await,
                slot = slot(&self.slots), if full => {
                    due = Instant::now() + self.interval;
                    self.store(&mut under_way, held.take(self.batch_bytes), slot);
                }
                next = next(&mut self.reader, room, &pause) => match next {
                    Ok(delivery) => {
                        pause.over();
                        held.push(delivery);
                    }
                    Err(error @ event::Error::Unavailable(_)) => {
                        pause.longer();
                        // At start it is only being connected to.
                        if pause.length > Duration::from_secs(1) && error.is_news() {
                            tracing::warn!(%error, "the event bus does not answer; trying again");
                        }
                    }
                    Err(error) => return Err(error.into()),
                },
                slot = due_slot(&self.slots, due), if !held.is_empty() => {
                    due = Instant::now() + self.interval;
                    self.store(&mut under_way, held.take(self.batch_bytes), slot);
                }
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => ended?,
                _ = look.tick(), if self.work.once && held.is_empty() && under_way.is_empty() => {
                    // Where the bus cannot say it now, it will.
                    if let Some(Ok(0)) = stop.run_until_cancelled(self.reader.backlog()).await {
                        break;
                    }
                }
            }
            self.work.metrics.hold(before, held.deliveries.len());
        }
        Delivery::release_all(self.reader.taken()).await;
        if !held.is_empty() {
            self.work.metrics.hold(held.deliveries.len(), 0);
            self.work.finish(held.take(usize::MAX)).await;
        }
        while let Some(ended) = under_way.join_next().await {
            ended?;
        }
        self.reader.end().await;
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
        self.bytes += counted(&delivery);
        self.deliveries.push(delivery);
    }

    /// The oldest, as many as come to this many bytes. The rest waits for another transaction: what a
    /// transaction takes in memory is a multiple of its messages.
    fn take(&mut self, bytes: usize) -> Vec<Delivery> {
        let (mut count, mut taken) = (0, 0);
        while taken < bytes
            && let Some(delivery) = self.deliveries.get(count)
        {
            taken += counted(delivery);
            count += 1;
        }
        self.bytes -= taken;
        let later = self.deliveries.split_off(count);
        std::mem::replace(&mut self.deliveries, later)
    }
}

/// The bytes that a message counts.
fn counted(delivery: &Delivery) -> usize {
    let series = segment::runs(&delivery.event.payload);
    (delivery.size() + series * SERIES).max(SMALLEST)
}

async fn slot(slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    slots.clone().acquire_owned().await.expect("the slots are never closed")
}

/// A slot, but not before this moment. Takes none when it is dropped.
async fn due_slot(slots: &Arc<Semaphore>, due: Instant) -> OwnedSemaphorePermit {
    sleep_until(due).await;
    slot(slots).await
}

/// The next delivery, after the pause that is due. Loses nothing when it is dropped.
async fn next(reader: &mut Reader, room: usize, pause: &Pause) -> Result<Delivery, event::Error> {
    if let Some(until) = pause.until {
        sleep_until(until).await;
    }
    reader.next(room).await
}

/// Tells the bus again and again that these are in work; beside the work, so that it waits for
/// nothing.
async fn keep_in_work(deliveries: &[Delivery]) -> Infallible {
    let mut ticks = interval(PROGRESS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    loop {
        ticks.tick().await;
        Delivery::progress_all(deliveries).await;
    }
}

impl Work {
    /// Stores these messages and acknowledges them; or gives them back, where the program ends
    /// before the database can take them.
    async fn finish(&self, batch: Vec<Delivery>) {
        let (batch, unreadable) = sort_out(batch);
        let burying = async {
            for (mut delivery, reason) in unreadable {
                self.bury(&mut delivery, &reason).await;
            }
        };
        // Side by side: a bad message never waits for its neighbours, nor they for it.
        tokio::join!(burying, self.finish_good(batch));
    }

    /// The same, for messages that can be read.
    async fn finish_good(&self, mut batch: Vec<Delivery>) {
        if batch.is_empty() {
            return;
        }
        match self.store_or_give_up(&mut batch).await {
            None => Delivery::release_all(batch).await,
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
                let mut rest = VecDeque::from(batch);
                while let Some(delivery) = rest.pop_front() {
                    // One level deep: a batch of one is never taken apart again.
                    let finishing = Box::pin(self.finish_good(vec![delivery]));
                    // Those that wait are in work, too.
                    tokio::select! {
                        biased;
                        () = finishing => {}
                        never = keep_in_work(rest.make_contiguous()) => match never {},
                    }
                }
            }
        }
    }

    async fn acknowledge(&self, mut batch: Vec<Delivery>, stored: Stored) {
        self.metrics.stored.inc_by(stored.stored);
        self.metrics.duplicates.inc_by(stored.duplicates);
        self.metrics.conflicts.inc_by(stored.conflicts);
        self.metrics.batches.inc();
        Delivery::ack_all(&mut batch).await;
    }

    /// Stores a batch, however long it takes. `None` where the program ends first; an error where
    /// trying again with all of it is of no use.
    async fn store_or_give_up(&self, batch: &mut [Delivery]) -> Option<Result<Stored, Refusal>> {
        let mut pause = Pause::default();
        let messages: Vec<Message> = batch.iter().filter_map(|delivery| read(&delivery.event).ok()).collect();
        loop {
            match self.with_progress(batch, self.store.write(&messages)).await? {
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
        tokio::select! {
            biased;
            ended = task => Some(ended),
            () = self.hurry.cancelled() => None,
            never = keep_in_work(batch) => match never {},
        }
    }
}

/// Messages that hold readings, and those that cannot be read with the reason.
fn sort_out(batch: Vec<Delivery>) -> (Vec<Delivery>, Vec<(Delivery, String)>) {
    let (mut good, mut bad) = (Vec::with_capacity(batch.len()), Vec::new());
    for delivery in batch {
        match read(&delivery.event) {
            Ok(_) => good.push(delivery),
            Err(reason) => bad.push((delivery, reason)),
        }
    }
    (good, bad)
}

/// The message in this event, or why there is none.
fn read(event: &Event) -> Result<Message, String> {
    if event.kind != segment::KIND {
        return Err(format!("the event type {:?} is unknown", event.kind));
    }
    Message::read(&event.id, &event.payload).map_err(|error| error.to_string())
}
