//! Gathers the messages of one lane into batches and starts storing them.

use crate::Work;
use crate::letters;
use crate::options::Storing;
use crate::slots::{due_slot, slot};
use event::{Delivery, PROGRESS_INTERVAL, Reader};
use reading::segment;
use repeat::Pauses;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// Bytes of messages above which a batch takes no more.
const BATCH_BYTES: usize = 4 << 20;

/// Least bytes that a message counts, which bounds the number of messages in a batch.
const SMALLEST: usize = 1024;

/// Bytes that a series counts beside its bytes in a message. With few readings, it takes more memory than
/// they do.
const SERIES: usize = 64;

/// How often to check whether a history was read to its end.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Gathers the batches of one reader.
pub(super) struct Gatherer {
    reader: Reader,
    work: Arc<Work>,
    slots: Arc<Semaphore>,
    batch_bytes: usize,
    /// Least time between the beginnings of two batches that are not full.
    interval: Duration,
}

impl Gatherer {
    pub(super) fn new(reader: Reader, work: Arc<Work>, options: &Storing) -> Self {
        Self {
            // Ingestors await each event: a backoff would only make them wait.
            interval: if reader.is_awaited() {
                Duration::ZERO
            } else {
                options.batch_interval
            },
            reader,
            work,
            slots: Arc::new(Semaphore::new(options.writers.into())),
            // A reading takes 16 bytes of a message.
            batch_bytes: options.batch_readings.saturating_mul(16).clamp(SMALLEST, BATCH_BYTES),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut under_way = JoinSet::new();
        let mut gathered = Gathered::default();
        let (mut pauses, mut paused_until) = (Pauses::outage(), Instant::now());
        let mut due = Instant::now();
        // Dead letters and readings never wait for each other.
        let mut letters = Gathered::default();
        let mut letters_due = Instant::now();
        let mut letters_full: Option<Instant> = None;
        // Dead letters came since the readings were gathered. If they never end, the readings must not wait for them.
        let mut passed = false;
        let mut progress = interval(PROGRESS_INTERVAL);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let full = gathered.bytes >= self.batch_bytes;
            // A full batch may still take messages that were requested already. Left in the client, they
            // would not be reported to the bus as in work.
            let mut room = (self.batch_bytes + event::MIN_ROOM).saturating_sub(gathered.bytes);
            // A lane full of dead letters waits for a while until some are stored, then goes on without them.
            if letters.bytes < letters::ROOM {
                letters_full = None;
            } else if letters_full.is_none() {
                letters_full = Some(Instant::now() + letters::TIMEOUT);
            }
            let leaves_letters = letters_full.is_some_and(|until| until <= Instant::now());
            if letters_full.is_some() && !leaves_letters {
                room = 0;
            }
            let before = gathered.deliveries.len() + letters.deliveries.len();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = progress.tick(), if !gathered.is_empty() || !letters.is_empty() => {
                    Delivery::progress_all(&gathered.deliveries).await;
                    Delivery::progress_all(&letters.deliveries).await;
                }
                slot = slot(&self.slots), if full => {
                    due = Instant::now() + self.interval;
                    self.store(&mut under_way, gathered.take(self.batch_bytes), slot);
                }
                slot = due_slot(&self.work.letter_slot, letters_due), if !letters.is_empty() => {
                    letters_due = Instant::now() + self.interval;
                    let (work, batch) = (self.work.clone(), letters.take(letters::BATCH));
                    start(&mut under_way, slot, async move { work.store_letters(batch).await });
                }
                slot = due_slot(&self.slots, due), if passed && !gathered.is_empty() => {
                    due = Instant::now() + self.interval;
                    passed = false;
                    self.store(&mut under_way, gathered.take(self.batch_bytes), slot);
                }
                next = next(&mut self.reader, room, paused_until) => match next {
                    Ok(delivery) => {
                        pauses.reset();
                        if letters::is_letter(&delivery.event) {
                            passed = !gathered.is_empty();
                            // If dropped here, the bus redelivers it once it has waited long enough.
                            if !leaves_letters {
                                letters.push(delivery);
                            }
                        } else {
                            gathered.push(delivery);
                        }
                    }
                    Err(error @ event::Error::Unavailable(_)) => {
                        let pause = pauses.grow();
                        paused_until = Instant::now() + pause;
                        // At start, the client is still connecting.
                        if pause > Duration::from_secs(1) && error.should_log() {
                            tracing::warn!(%error, "the event bus does not answer; trying again");
                        }
                    }
                    Err(error) => return Err(error.into()),
                },
                slot = due_slot(&self.slots, due), if !gathered.is_empty() => {
                    due = Instant::now() + self.interval;
                    self.store(&mut under_way, gathered.take(self.batch_bytes), slot);
                }
                () = sleep_until(letters_full.unwrap_or(due)), if letters_full.is_some() && !leaves_letters => {}
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => ended?,
                _ = checks.tick(), if self.work.once && gathered.is_empty() && letters.is_empty() && under_way.is_empty() => {
                    // If the bus cannot tell now, ask again at the next tick.
                    if let Some(Ok(0)) = stop.run_until_cancelled(self.reader.backlog()).await {
                        break;
                    }
                }
            }
            self.work
                .metrics
                .gather(before, gathered.deliveries.len() + letters.deliveries.len());
        }
        Delivery::release_all(self.reader.taken()).await;
        self.work
            .metrics
            .gather(gathered.deliveries.len() + letters.deliveries.len(), 0);
        let last_letters = async {
            let _slot = slot(&self.work.letter_slot).await;
            while !letters.is_empty() {
                self.work.store_letters(letters.take(letters::BATCH)).await;
            }
        };
        tokio::join!(self.work.finish(gathered.take(usize::MAX)), last_letters);
        while let Some(ended) = under_way.join_next().await {
            ended?;
        }
        self.reader.end().await;
        Ok(())
    }

    /// Starts storing a batch while the next one gathers.
    fn store(&self, under_way: &mut JoinSet<()>, batch: Vec<Delivery>, slot: OwnedSemaphorePermit) {
        let work = self.work.clone();
        start(under_way, slot, async move { work.finish(batch).await });
    }
}

/// Starts storing, and holds this slot to the end.
fn start(under_way: &mut JoinSet<()>, slot: OwnedSemaphorePermit, storing: impl Future<Output = ()> + Send + 'static) {
    under_way.spawn(async move {
        storing.await;
        drop(slot);
    });
}

/// The batch that gathers.
#[derive(Default)]
struct Gathered {
    deliveries: Vec<Delivery>,
    bytes: usize,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    fn push(&mut self, delivery: Delivery) {
        self.bytes += counted(&delivery);
        self.deliveries.push(delivery);
    }

    /// Takes the oldest messages, up to this many bytes. The rest waits for another transaction: a
    /// transaction takes a multiple of its messages in memory.
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

/// Waits until the end of a pause, then for the next delivery. Loses nothing when dropped.
async fn next(reader: &mut Reader, room: usize, paused_until: Instant) -> Result<Delivery, event::Error> {
    sleep_until(paused_until).await;
    reader.next(room).await
}
