//! Evicts rejected lines above their limit, and deletes dead letters past their age.

use crate::Work;
use crate::metrics::signed;
use crate::slots::slot;
use reading::time::DAY;
use std::time::Duration;
use store::DeadLetter;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often to delete dead letters past their age.
const DELETE_INTERVAL: Duration = Duration::from_secs(600);

/// How long a dead letter is kept, in microseconds.
const MAX_AGE: i64 = 30 * DAY;

impl Work {
    /// Notes that these dead letters were stored, and evicts the oldest lines above the limit.
    pub(super) async fn make_room(&self, letters: &[DeadLetter]) {
        let lines = letters.iter().filter(|letter| letter.is_of_lines());
        let bytes = lines.map(DeadLetter::counted).sum();
        if !self.room.took(bytes) {
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
        let unmeasured = self.room.unmeasured();
        let mut bytes = self.store.bytes_of_lines().await?;
        let (mut letters, most) = (0, self.room.most());
        if bytes > most {
            let target = self.room.target();
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
        self.room.measured(unmeasured);
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
