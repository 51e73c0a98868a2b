//! Publishing: a bounded window of events in flight, each waited for until it is stored.

use super::{REASON, connect, connected, headers, setup};
use crate::address::Nats;
use crate::{Error, Event, Lane, MAX_PAYLOAD};
use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishErrorKind;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Bytes that may be on their way to the server at once, over all publishers.
const WINDOW: usize = 8 << 20;

/// How often the state of the connection is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// A bus that is away for so many looks is worth a line in the log.
const LOOKS_AWAY: u32 = 12;

#[derive(Clone)]
pub(crate) struct Writer {
    context: Context,
    address: Arc<Nats>,
    /// The server was checked and has the streams.
    prepared: Arc<AtomicBool>,
    window: Arc<Semaphore>,
}

impl Writer {
    pub(crate) async fn open(address: Nats) -> Result<Self, Error> {
        let context = connect(&address).await?;
        Ok(Self::over(context, address))
    }

    pub(super) fn over(context: Context, address: Nats) -> Self {
        Self {
            context,
            address: Arc::new(address),
            prepared: Arc::new(AtomicBool::new(false)),
            window: Arc::new(Semaphore::new(WINDOW)),
        }
    }

    pub(crate) async fn run(&self, mut ready: impl FnMut(bool)) -> Result<(), Error> {
        let mut told = None;
        let mut away = 0_u32;
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            if connected(&self.context) && !self.prepared.load(Ordering::Acquire) {
                match setup::streams(&self.context, &self.address).await {
                    Ok(_) => self.prepared.store(true, Ordering::Release),
                    Err(Error::Unavailable(error)) => {
                        tracing::warn!(error, "could not prepare the event bus; trying again");
                    }
                    Err(error) => return Err(error),
                }
            }
            away = if connected(&self.context) {
                0
            } else {
                away.saturating_add(1)
            };
            if away == LOOKS_AWAY {
                let how = if self.address.insists_on_tls() {
                    " by TLS, which the URL asks for (tls:// or ?ca=FILE)"
                } else {
                    ""
                };
                tracing::warn!(servers = ?self.address.servers, "the event bus cannot be reached{how}; trying again");
            }
            let now = self.usable();
            if told != Some(now) {
                ready(now);
                told = Some(now);
            }
        }
    }

    fn usable(&self) -> bool {
        connected(&self.context) && self.prepared.load(Ordering::Acquire)
    }

    pub(crate) async fn publish(&self, lane: Lane, event: Event) -> Result<(), Error> {
        let subject = self.address.subject(lane);
        self.send(subject, headers(&event), event.payload).await
    }

    pub(crate) async fn bury(&self, event: Event, reason: &str) -> Result<(), Error> {
        let subject = format!("{}_dead.letters", self.address.name);
        let mut headers = headers(&event);
        let printable: String = reason
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(500)
            .collect();
        headers.insert(REASON, printable.as_str());
        self.send(subject, headers, event.payload).await
    }

    async fn send(&self, subject: String, headers: HeaderMap, payload: Bytes) -> Result<(), Error> {
        if !self.usable() {
            // The client would queue it and send it once it is connected again, long after the
            // publisher has given up on it.
            return Err(Error::Unavailable("not connected".into()));
        }
        let size = u32::try_from(payload.len().clamp(1, MAX_PAYLOAD)).unwrap_or(u32::MAX);
        let closed = "the window is never closed";
        let _permit = self.window.acquire_many(size).await.expect(closed);
        let stored = async {
            self.context
                .publish_with_headers(subject, headers, payload)
                .await?
                .await
        };
        match stored.await {
            Ok(_) => Ok(()),
            Err(error) => {
                if error.kind() == PublishErrorKind::StreamNotFound {
                    // Somebody deleted it, or the server came back empty: prepare it again.
                    self.prepared.store(false, Ordering::Release);
                }
                Err(setup::unavailable(error))
            }
        }
    }
}
