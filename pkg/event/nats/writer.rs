//! Publishing: a bounded window of events in flight; each publisher waits until its event is stored.

use super::{REDRIVEN, TIMEOUT, away, connect, connected, headers, setup, spare};
use crate::address::Nats;
use crate::{Error, Event, Lane, MAX_PAYLOAD};
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, interval, sleep, timeout_at};

/// Bytes in flight to the server at the most, over all publishers.
const WINDOW: usize = 8 << 20;

/// How often [`Writer::run`] checks the connection.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How often a waiting publisher checks whether its connection is still the same, or back.
const RECONNECT_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// In a cluster: how long an event waits for a connection to another server, and between two tries.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// In a cluster: an event that the stream has not stored after this time goes to the spare stream, too.
const SPARE_DELAY: Duration = Duration::from_secs(1);

/// Failed checks in a row before the lost bus is logged.
const FAILED_CHECKS: u32 = 12;

#[derive(Clone)]
pub(crate) struct Writer {
    context: Context,
    address: Arc<Nats>,
    /// The server was checked and has the streams.
    prepared: Arc<AtomicBool>,
    /// Why it is not prepared.
    unprepared: Arc<Mutex<String>>,
    /// Several servers store the stream, so that another one can take over.
    replicated: Arc<AtomicBool>,
    /// [`Writer::run`] also gives back the spare stream's events.
    tends: bool,
    window: Arc<Semaphore>,
}

impl Writer {
    pub(crate) async fn open(address: Nats) -> Result<Self, Error> {
        Ok(Self::over(connect(&address).await?, address))
    }

    /// A reader's writer, which also gives back the spare stream's events while it runs.
    pub(super) fn of_reader(context: Context, address: Nats) -> Self {
        Self {
            tends: true,
            ..Self::over(context, address)
        }
    }

    fn over(context: Context, address: Nats) -> Self {
        Self {
            context,
            address: Arc::new(address),
            prepared: Arc::new(AtomicBool::new(false)),
            unprepared: Arc::new(Mutex::new("its streams were not looked for yet".to_owned())),
            replicated: Arc::new(AtomicBool::new(false)),
            tends: false,
            window: Arc::new(Semaphore::new(WINDOW)),
        }
    }

    pub(crate) async fn run(&self, ready: impl FnMut(bool)) -> Result<(), Error> {
        let tending = async {
            let mut ticks = interval(CHECK_INTERVAL);
            while !(self.tends && self.replicated.load(Ordering::Acquire)) {
                ticks.tick().await;
            }
            spare::tend(&self.context, &self.address).await;
        };
        tokio::select! {
            ended = self.keep_prepared(ready) => ended,
            () = tending => Ok(()),
        }
    }

    async fn keep_prepared(&self, mut ready: impl FnMut(bool)) -> Result<(), Error> {
        let mut told = None;
        let mut away = 0_u32;
        let mut ticks = interval(CHECK_INTERVAL);
        loop {
            ticks.tick().await;
            if connected(&self.context) && !self.prepared.load(Ordering::Acquire) {
                match setup::streams(&self.context, &self.address).await {
                    Ok(stream) => {
                        self.replicated.store(setup::is_replicated(&stream), Ordering::Release);
                        self.prepared.store(true, Ordering::Release);
                    }
                    Err(error @ Error::Unavailable(_)) => {
                        if error.should_log() {
                            tracing::warn!(%error, "could not prepare the event bus; trying again");
                        }
                        if let Error::Unavailable(why) = error {
                            *self.unprepared() = why;
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            away = if connected(&self.context) {
                0
            } else {
                away.saturating_add(1)
            };
            if away == FAILED_CHECKS {
                let how = if self.address.insists_on_tls() {
                    " by TLS, which the URL asks for (tls:// or ?ca=FILE)"
                } else {
                    ""
                };
                tracing::warn!(servers = ?self.address.servers, "the event bus cannot be reached{how}; trying again");
            }
            let now = self.is_ready();
            if told != Some(now) {
                ready(now);
                told = Some(now);
            }
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        connected(&self.context) && self.prepared.load(Ordering::Acquire)
    }

    /// Fails with the reason why the bus cannot take events now.
    fn check(&self) -> Result<(), Error> {
        if !connected(&self.context) {
            return Err(away(&self.address));
        }
        if !self.prepared.load(Ordering::Acquire) {
            return Err(Error::Unavailable(self.unprepared().clone()));
        }
        Ok(())
    }

    fn unprepared(&self) -> MutexGuard<'_, String> {
        self.unprepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn latest_moment(&self) -> Result<i64, Error> {
        self.check()?;
        setup::latest_moment(&self.context, &self.address.stream()).await
    }

    pub(crate) async fn publish(&self, lane: Lane, event: Event) -> Result<(), Error> {
        self.send(lane, headers(&event), event.payload).await
    }

    pub(crate) async fn publish_again(
        &self,
        lane: Lane,
        event: Event,
        mark: &str,
        further: &[(String, String)],
    ) -> Result<(), Error> {
        let mut headers = headers(&event);
        let redriven = (self.address.names.header(REDRIVEN), mark.to_owned());
        for (name, value) in [&redriven].into_iter().chain(further) {
            // Valid: the event came with them, and ours are.
            if let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        self.send(lane, headers, event.payload).await
    }

    async fn send(&self, lane: Lane, headers: HeaderMap, payload: Bytes) -> Result<(), Error> {
        // Without a connection, the client would queue the event and send it later, long after the
        // publisher has given up.
        self.wait_until_ready().await?;
        let size = u32::try_from(payload.len().clamp(1, MAX_PAYLOAD)).unwrap_or(u32::MAX);
        let closed = "the window is never closed";
        let _permit = self.window.acquire_many(size).await.expect(closed);
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let stored = timeout_at(deadline, self.store(lane, &headers, &payload)).await;
            let error = match stored.unwrap_or_else(|_| Err(PublishError::new(PublishErrorKind::TimedOut))) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let replicated = self.replicated.load(Ordering::Acquire);
            if replicated && may_pass(&error) && Instant::now() < deadline {
                sleep(RETRY_INTERVAL).await;
                if self.wait_until_ready().await.is_ok() {
                    continue;
                }
            }
            if error.kind() == PublishErrorKind::StreamNotFound {
                // The stream was deleted, or the server came back empty: prepare it again.
                *self.unprepared() = error.to_string();
                self.prepared.store(false, Ordering::Release);
            }
            return Err(setup::unavailable(error));
        }
    }

    /// Waits a while for a connection to another server of a cluster. Fails with the reason why the bus
    /// cannot take events then.
    async fn wait_until_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + RECONNECT_TIMEOUT;
        let may_come = || {
            let known = self.replicated.load(Ordering::Acquire) && self.prepared.load(Ordering::Acquire);
            known && !self.is_ready() && Instant::now() < deadline
        };
        while may_come() {
            sleep(RECONNECT_CHECK_INTERVAL).await;
        }
        self.check()
    }

    /// Stores an event; in a cluster, on the spare stream if the stream does not answer.
    async fn store(&self, lane: Lane, headers: &HeaderMap, payload: &Bytes) -> Result<(), PublishError> {
        let first = self.acknowledged(self.address.subject(lane), headers, payload);
        if !self.replicated.load(Ordering::Acquire) {
            return first.await;
        }
        let mut first = std::pin::pin!(first);
        let answered = tokio::select! {
            biased;
            stored = &mut first => Some(stored),
            () = sleep(SPARE_DELAY) => None,
        };
        let second = self.acknowledged(self.address.spare_subject(lane), headers, payload);
        match answered {
            Some(Err(error)) if may_pass(&error) => second.await.map_err(|_| error),
            Some(stored) => stored,
            // Both streams get the event; the first to store it decides.
            None => {
                let mut second = std::pin::pin!(second);
                tokio::select! {
                    biased;
                    stored = &mut first => if stored.is_ok() { stored } else { second.await },
                    stored = &mut second => if stored.is_ok() { stored } else { first.await },
                }
            }
        }
    }

    /// Publishes and waits until the server has stored the event. Fails when the connection changes, since
    /// the answer can no longer come.
    async fn acknowledged(&self, subject: String, headers: &HeaderMap, payload: &Bytes) -> Result<(), PublishError> {
        let connection = self.connection();
        let stored = async {
            let published = self
                .context
                .publish_with_headers(subject, headers.clone(), payload.clone());
            published.await?.await
        };
        let lost = async {
            let mut ticks = interval(RECONNECT_CHECK_INTERVAL);
            while self.connection() == connection {
                ticks.tick().await;
            }
        };
        tokio::select! {
            biased;
            stored = stored => stored.map(drop),
            () = lost => Err(PublishError::new(PublishErrorKind::BrokenPipe)),
        }
    }

    /// A number that differs for each connection.
    fn connection(&self) -> u64 {
        self.context.client().statistics().connects.load(Ordering::Relaxed)
    }
}

/// Whether to try again: the answer was lost, or the stream has no leader now.
fn may_pass(error: &PublishError) -> bool {
    use PublishErrorKind::{BrokenPipe, StreamNotFound, TimedOut};
    matches!(error.kind(), TimedOut | BrokenPipe | StreamNotFound)
}
