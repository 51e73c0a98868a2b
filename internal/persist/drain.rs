//! Moves dead letters of earlier versions from the bus to the database.
//!
//! It stores them in order, and only then deletes them on the bus. It does so as long as their stream exists,
//! since ingestors of 0.1 go on filling it. Several persistors can do so at once: each stores a dead letter
//! once, and deletes only stored ones.

use crate::Work;
use crate::letters::{BATCH, of_event};
use crate::slots::slot;
use anyhow::Context;
use event::DeadLetters;
use std::time::Duration;
use store::DeadLetter;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How often to read the stream, and how often to check whether it exists.
const INTERVAL: Duration = Duration::from_secs(2);
const ABSENT_INTERVAL: Duration = Duration::from_secs(15);

/// How long the event bus may take for one answer; statements have a timeout of their own.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Work {
    /// Drains the stream until `stop`, through every outage of the bus and of the database.
    pub(super) async fn drain(&self, left: &DeadLetters, stop: CancellationToken) {
        let mut next = Instant::now();
        let mut drained = 0;
        while stop.run_until_cancelled(sleep_until(next)).await.is_some() {
            let Some(once) = stop.run_until_cancelled(self.drain_once(left)).await else {
                break;
            };
            let pause = match once {
                Ok(None) => ABSENT_INTERVAL,
                Ok(Some(0)) => {
                    tell(&mut drained);
                    INTERVAL
                }
                Ok(Some(letters)) => {
                    drained += letters;
                    continue;
                }
                Err(error) => {
                    tracing::debug!(
                        error = format!("{error:#}"),
                        "could not take over dead letters; trying again"
                    );
                    INTERVAL
                }
            };
            next = Instant::now() + pause;
        }
        tell(&mut drained);
    }

    /// Takes over a part of the stream. Returns how many dead letters, or none if there is no stream.
    async fn drain_once(&self, left: &DeadLetters) -> anyhow::Result<Option<u64>> {
        let found = timeout(TIMEOUT, left.oldest(BATCH)).await;
        let Some(found) = found.context("the event bus took too long to send them")?? else {
            return Ok(None);
        };
        let Some(last) = found.last().map(|letter| letter.number) else {
            return Ok(Some(0));
        };
        let letters: Vec<DeadLetter> = found.iter().map(taken_over).collect();
        let _slot = slot(&self.letter_slot).await;
        let stored = self.store.store_dead_letters(&letters, &[]).await;
        if let Err(error) = stored {
            let cause = anyhow::Error::from(error);
            tracing::warn!(
                error = format!("{cause:#}"),
                "could not store dead letters of the event bus; trying again"
            );
            return Err(cause);
        }
        let deleted = timeout(TIMEOUT, left.delete_up_to(last)).await;
        deleted.context("the event bus took too long to delete them")??;
        self.make_room(&letters).await;
        Ok(Some(letters.len() as u64))
    }
}

fn tell(drained: &mut u64) {
    if *drained > 0 {
        tracing::info!(
            letters = drained,
            "took over the dead letters that an earlier version left on the event bus"
        );
        *drained = 0;
    }
}

/// The dead letter for the database, marked as a copy of its own. An earlier version may have made it of an
/// event whose dead letter was dropped here.
fn taken_over(letter: &event::DeadLetter) -> DeadLetter {
    let payload = letter.event.payload.len() as u64;
    let kept = of_event(&letter.event, &letter.reason);
    DeadLetter {
        mark: format!("left on the bus {}", letter.number),
        cut_from: letter.cut_from.or(kept.cut_from).filter(|bytes| *bytes > payload),
        lane: letter.lane.map(|lane| lane.name().to_owned()),
        headers: letter.headers.clone(),
        since: Some(letter.since),
        ..kept
    }
}
