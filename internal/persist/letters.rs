//! What cannot be stored becomes a dead letter, and one that was kept for its time is forgotten.

use super::pause::Pause;
use super::{Work, read};
use event::{DeadLetters, Delivery, Keeper};
use reading::time::DAY;
use std::time::Duration;
use store::DeadLetter;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// How often dead letters past their time are looked for.
const FORGET: Duration = Duration::from_secs(600);

/// How long a dead letter is kept, in microseconds.
const KEPT: i64 = 30 * DAY;

impl Work {
    /// Makes a dead letter of a message, however long that takes; nothing, where the program ends
    /// first: then the message comes again.
    pub(super) async fn bury(&self, delivery: &mut Delivery, reason: &str) {
        self.metrics.dead.inc();
        let event = delivery.event.id.clone();
        if self.once {
            tracing::error!(event, reason, "a message cannot be stored");
            delivery.ack().await;
            return;
        }
        let mut pause = Pause::default();
        loop {
            let buried = self.hurry.run_until_cancelled(self.try_to_bury(delivery, reason));
            let Some(buried) = buried.await else { return };
            match buried {
                Ok(()) => {
                    tracing::error!(event, reason, "a message became a dead letter");
                    return;
                }
                Err(error) => {
                    tracing::warn!(
                        event,
                        error = format!("{error:#}"),
                        "could not keep a dead letter; trying again"
                    );
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

    /// Tells the uploads first that their readings failed: once it is buried, nothing comes back to
    /// the message.
    async fn try_to_bury(&self, delivery: &mut Delivery, reason: &str) -> anyhow::Result<()> {
        if let Ok(message) = read(&delivery.event) {
            self.store.fail(&message).await?;
        }
        Ok(delivery.bury(&self.writer, reason).await?)
    }

    /// Keeps the dead letters that the bus cannot, until `stop`. Unacknowledged, the publisher of
    /// one sends it again.
    pub(super) async fn keep_dead_letters(&self, mut letters: DeadLetters, stop: CancellationToken) {
        while let Some((mut delivery, reason)) = stop.run_until_cancelled(letters.next()).await {
            match self
                .store
                .keep_dead_letter(&DeadLetter {
                    id: delivery.event.id.clone(),
                    kind: delivery.event.kind.clone(),
                    source: delivery.event.source.clone(),
                    payload: delivery.event.payload.clone(),
                    lane: delivery.lane.map(|lane| lane.name().to_owned()),
                    reason,
                })
                .await
            {
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

    /// Forgets the dead letters that are past their time, until `stop`: those that the bus keeps, and
    /// those in the database, where there may be some from a time when the bus was another.
    pub(super) async fn forget_dead_letters(&self, keeper: Option<&Keeper>, stop: CancellationToken) {
        let mut ticks = interval(FORGET);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match stop.run_until_cancelled(self.forget_once(keeper)).await {
                None => return,
                Some(Ok(0)) => {}
                Some(Ok(letters)) => tracing::info!(letters, "forgot dead letters past their time"),
                Some(Err(error)) => tracing::warn!(
                    error = format!("{error:#}"),
                    "could not forget old dead letters; trying again later"
                ),
            }
        }
    }

    /// Forgets the dead letters that were past their time at a look at the clock a day ago; how many
    /// they were.
    async fn forget_once(&self, keeper: Option<&Keeper>) -> anyhow::Result<u64> {
        let Some(confirmed) = self.store.look_at_clock().await? else {
            return Ok(0);
        };
        let before = confirmed - KEPT;
        let mut letters = self.store.forget_dead_letters(before).await?;
        if let Some(keeper) = keeper {
            match keeper.forget_dead_letters(before).await {
                Ok(forgotten) => letters += forgotten,
                // At start it is only being connected to; an outage is told elsewhere.
                Err(error) => {
                    tracing::debug!(%error, "could not forget dead letters on the event bus; trying again later");
                }
            }
        }
        Ok(letters)
    }
}
