//! One client that listens.

use super::event::{chunk, hello, keep_alive};
use super::filter::Filter;
use super::hub::{Cursor, Hub, Place};
use super::metrics::Metrics;
use super::postgres::Past;
use crate::words::{Database, Time};
use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Longest time without a byte.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Longest time that a listener may take to make room for the next bytes.
const SLOW: Duration = Duration::from_secs(15);

/// A listener that was lost while it made no room for this long counts as too slow.
const STALLED: Duration = Duration::from_millis(500);

/// One client that listens. It gets the latest values, what happened since the id that it goes on from, and then what
/// changes.
pub(super) struct Listener {
    pub(super) hub: Arc<Hub>,
    pub(super) database: Database,
    pub(super) filter: Filter,
    pub(super) cursor: Cursor,
    pub(super) stage: Stage,
    pub(super) changed: watch::Receiver<u64>,
    /// Of those who ask what happened before they came, one at a time.
    pub(super) turns: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    pub(super) counted: Counted,
    pub(super) _place: Place,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What a listener gets next.
pub(super) enum Stage {
    Hello(Option<Past>),
    Latest(Option<Past>),
    Past(Past),
    /// Changes; whether it has got an id.
    Changes(bool),
}

/// A listener among those that are counted, until it is dropped.
pub(super) struct Counted {
    metrics: Metrics,
    /// When it got the bytes that it has not made room behind yet.
    given: Option<Instant>,
}

impl Counted {
    pub(super) fn new(metrics: Metrics) -> Self {
        metrics.listeners.inc();
        Self { metrics, given: None }
    }

    /// It has room again. Returns whether it is too slow.
    fn has_room(&mut self) -> bool {
        let is_slow = self.given.take().is_some_and(|given| given.elapsed() > SLOW);
        if is_slow {
            self.metrics.dropped.inc();
        }
        is_slow
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.listeners.dec();
        if self.given.is_some_and(|given| given.elapsed() > STALLED) {
            self.metrics.dropped.inc();
        }
    }
}

impl Listener {
    /// The next bytes. None at the end: of the program, or because the listener is too slow or has to go on from
    /// its last id.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if self.counted.has_room() {
            return None;
        }
        let stop = self.stop.clone();
        let next = stop.run_until_cancelled(timeout(KEEP_ALIVE, self.work())).await?;
        let bytes = match next {
            Ok(bytes) => bytes?,
            Err(_) => self.keep_alive(),
        };
        self.counted.given = Some(Instant::now());
        Some(bytes)
    }

    /// Safe to cancel.
    async fn work(&mut self) -> Option<Bytes> {
        loop {
            match &mut self.stage {
                Stage::Hello(past) => {
                    self.stage = Stage::Latest(past.take());
                    return Some(hello(Time(Timestamp::now())));
                }
                Stage::Past(past) => {
                    let page = {
                        let _turn = self.turns.acquire().await.ok()?;
                        past.next(&self.database).await
                    };
                    match page {
                        Ok(Some(events)) => {
                            let fitting = events.into_iter().filter(|event| self.filter.fits(event));
                            let texts: Vec<Bytes> = fitting.map(|event| event.text).collect();
                            if !texts.is_empty() {
                                return Some(chunk(&texts, None));
                            }
                        }
                        Ok(None) => self.stage = Stage::Changes(false),
                        Err(error) => {
                            // It comes again, and goes on from the same id.
                            tracing::debug!(%error, "cannot tell a listener what happened before");
                            return None;
                        }
                    }
                }
                Stage::Latest(past) => {
                    let unsent = self.hub.unsent(&mut self.cursor, &self.filter)?;
                    if unsent.position.is_some() {
                        self.stage = match past.take() {
                            Some(past) => Stage::Past(past),
                            None => Stage::Changes(false),
                        };
                    }
                    if !unsent.events.is_empty() {
                        return Some(chunk(&unsent.events, None));
                    }
                }
                Stage::Changes(has_id) => {
                    // Before the look, so that no later change is missed.
                    self.changed.mark_unchanged();
                    let unsent = self.hub.unsent(&mut self.cursor, &self.filter)?;
                    let is_due = !unsent.events.is_empty() || !*has_id;
                    if is_due {
                        let id = unsent.position.map(|position| position.to_string());
                        *has_id = id.is_some();
                        return Some(chunk(&unsent.events, id.as_deref()));
                    }
                    self.changed.changed().await.ok()?;
                }
            }
        }
    }

    fn keep_alive(&self) -> Bytes {
        let position = match self.stage {
            Stage::Changes(true) => self.hub.position_of(&self.cursor),
            _ => None,
        };
        keep_alive(position.map(|position| position.to_string()).as_deref())
    }
}
