//! Limits the room and the age of dead letters.
//!
//! Rejected lines have a bound in bytes: a client that sends many of them must not fill the database. Refused
//! messages were accepted, and go by their age alone.

use crate::Work;
use crate::metrics::{Metrics, signed};
use crate::slots::slot;
use reading::time::DAY;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::DeadLetter;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often to delete dead letters past their age.
const DELETE_INTERVAL: Duration = Duration::from_secs(600);

/// How long a dead letter is kept, in microseconds.
const MAX_AGE: i64 = 30 * DAY;

/// Rejected lines are measured each time they grow by this part of their limit. An eviction leaves one part
/// free.
const PARTS: u64 = 16;

/// The room of rejected lines.
#[derive(Debug)]
pub(super) struct Room {
    most: u64,
    /// Bytes that this process has stored since it last measured.
    unmeasured: AtomicU64,
}

impl Room {
    pub(super) fn new(most: u64, metrics: &Metrics) -> Self {
        metrics.line_max_bytes.set(signed(most));
        Self {
            most,
            // Nothing is measured yet.
            unmeasured: AtomicU64::new(most),
        }
    }
}

impl Work {
    /// Notes that these dead letters were stored, and evicts the oldest lines above the limit.
    pub(super) async fn make_room(&self, letters: &[DeadLetter]) {
        let lines = letters.iter().filter(|letter| letter.is_of_lines());
        let bytes = lines.map(DeadLetter::counted).sum();
        let unmeasured = self
            .room
            .unmeasured
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        if bytes == 0 || unmeasured < self.room.most / PARTS {
            return;
        }
        // If this fails, the next dead letters bring another try.
        if let Some(Err(error)) = self.drain_deadline.run_until_cancelled(self.evict()).await {
            let cause = anyhow::Error::from(error);
            tracing::warn!(
                error = format!("{cause:#}"),
                "could not evict the oldest rejected lines; trying again later"
            );
        }
    }

    /// Measures the rejected lines, and evicts the oldest above the limit.
    async fn evict(&self) -> Result<(), postgres::Error> {
        let unmeasured = self.room.unmeasured.load(Ordering::Relaxed);
        let mut bytes = self.store.bytes_of_lines().await?;
        let (mut letters, most) = (0, self.room.most);
        if bytes > most {
            let target = most - most / PARTS;
            while bytes > target {
                let evicted = self.store.evict_dead_letters(bytes - target).await?;
                self.metrics.evicted.inc_by(evicted.letters);
                letters += evicted.letters;
                bytes = bytes.saturating_sub(evicted.bytes);
                if evicted.letters == 0 {
                    // Another persistor is evicting.
                    break;
                }
            }
        }
        self.room.unmeasured.fetch_sub(unmeasured, Ordering::Relaxed);
        self.metrics.line_bytes.set(signed(bytes));
        if letters > 0 {
            tracing::warn!(
                letters,
                max_bytes = most,
                "evicted the oldest dead letters of rejected lines, which came to more than --dead-letter-bytes"
            );
        }
        Ok(())
    }

    /// Deletes dead letters past their age, until `stop`.
    pub(super) async fn forget_dead_letters(&self, stop: CancellationToken) {
        let mut ticks = interval(DELETE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match stop.run_until_cancelled(self.forget_once()).await {
                None => return,
                Some(Ok(0)) => {}
                Some(Ok(letters)) => tracing::info!(letters, "deleted dead letters past their age"),
                Some(Err(error)) => tracing::warn!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "could not delete old dead letters; trying again later"
                ),
            }
        }
    }

    /// Deletes the dead letters that were past their age at a look at the clock a day ago. Returns how many.
    async fn forget_once(&self) -> Result<u64, postgres::Error> {
        let _slot = slot(&self.letter_slot).await;
        let confirmed = self.store.look_at_clock().await?;
        let letters = match confirmed {
            Some(confirmed) => self.store.forget_dead_letters(confirmed - MAX_AGE).await?,
            None => 0,
        };
        self.evict().await?;
        self.store.forget_evicted().await?;
        Ok(letters)
    }
}
