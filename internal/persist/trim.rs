//! Trims the history on the bus: by its age, and earlier where room is needed.
//!
//! Every persistor trims on its own. That costs a few requests a second, and trimming twice does no harm.

use super::metrics::signed;
use event::{FillLevel, HistoryTrimmer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use repeat::Pauses;
use service::Service;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long the bus keeps what is stored, as a flag.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct History {
    /// How long the event bus keeps readings, so that a database can be rebuilt from them. At four
    /// fifths of its size, stored ones are trimmed earlier; readings that are not stored are never
    /// trimmed
    #[arg(long, env, default_value = "7d", value_parser = service::duration, value_name = "DURATION")]
    pub history: Duration,
}

/// How often to check the bus. A full bus refuses readings for about this long.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Longest time between two trims by age.
const TRIM_INTERVAL: Duration = Duration::from_secs(60);

/// How long one check with its trim may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Trims one bus.
pub(super) struct Trimmer {
    history_trimmer: HistoryTrimmer,
    history: Duration,
    metrics: Metrics,
}

#[derive(Default)]
struct Metrics {
    bytes: Gauge,
    max_bytes: Gauge,
    unacknowledged: Gauge,
    aged: Counter,
    early: Counter,
}

impl Trimmer {
    pub(super) fn new(history_trimmer: HistoryTrimmer, History { history }: History, service: &Service) -> Self {
        let metrics = Metrics::default();
        metrics.register(service);
        Self {
            history_trimmer,
            history,
            metrics,
        }
    }

    /// Trims until `stop`, through every outage of the bus.
    pub(super) async fn run(&self, stop: CancellationToken) {
        // A short history is trimmed more often.
        let often = (self.history / 10).clamp(CHECK_INTERVAL, TRIM_INTERVAL);
        let (mut aged, mut next) = (Instant::now(), Instant::now());
        let mut pauses = Pauses::outage();
        while stop.run_until_cancelled(sleep_until(next)).await.is_some() {
            let due = Instant::now() >= aged;
            let mut pause = CHECK_INTERVAL;
            let trimming = stop.run_until_cancelled(timeout(TIMEOUT, self.once(due)));
            match trimming.await {
                None => return,
                Some(Ok(Ok(futile))) => {
                    if due {
                        aged = Instant::now() + often;
                    }
                    // If nothing could be trimmed now, that will hardly change in a moment.
                    if futile {
                        pause = pauses.grow();
                    } else {
                        pauses.reset();
                    }
                }
                Some(Ok(Err(error))) => {
                    pause = pauses.grow();
                    // At start, the client is still connecting.
                    if pause > CHECK_INTERVAL && error.should_log() {
                        tracing::warn!(%error, "could not trim the history on the event bus; trying again");
                    }
                }
                Some(Err(_)) => {
                    pause = pauses.grow();
                    tracing::warn!("the event bus took too long to trim its history; trying again");
                }
            }
            next = Instant::now() + CHECK_INTERVAL.max(pause);
        }
    }

    /// Checks once and trims. Returns whether room was needed and none could be made.
    async fn once(&self, aged: bool) -> Result<bool, event::Error> {
        let mut kept = self.history_trimmer.fill_level().await?;
        self.metrics.show(&kept);
        if aged {
            let span = reading::time::micros(self.history);
            let moment = reading::time::now().saturating_sub(span);
            let trimmed = self.history_trimmer.trim_before(moment).await?;
            self.metrics.aged.inc_by(trimmed);
            if trimmed > 0 {
                tracing::info!(messages = trimmed, history = ?self.history, "trimmed old history on the event bus");
                kept = self.history_trimmer.fill_level().await?;
            }
        }
        if !kept.nearly_full {
            return Ok(false);
        }
        let trimmed = self.history_trimmer.make_room().await?;
        self.metrics.early.inc_by(trimmed);
        let now = self.history_trimmer.fill_level().await?;
        self.metrics.show(&now);
        if trimmed > 0 {
            tracing::info!(
                messages = trimmed,
                bytes_before = kept.bytes,
                bytes = now.bytes,
                max_bytes = now.max_bytes,
                "trimmed the history on the event bus early, to make room"
            );
        } else if now.nearly_full && now.unacknowledged != Some(0) {
            tracing::warn!(
                bytes = now.bytes,
                max_bytes = now.max_bytes,
                unstored_messages = now.unacknowledged,
                "the event bus is nearly full of readings that are not stored yet; once it is full, it refuses more"
            );
        }
        Ok(trimmed == 0)
    }
}

impl Metrics {
    fn show(&self, kept: &FillLevel) {
        self.bytes.set(signed(kept.bytes));
        self.max_bytes.set(signed(kept.max_bytes.unwrap_or_default()));
        if let Some(unacknowledged) = kept.unacknowledged {
            self.unacknowledged.set(signed(unacknowledged));
        }
    }

    fn register(&self, service: &Service) {
        let mut registry = service.metrics();
        for (name, help, gauge) in [
            (
                "persistor_stream_bytes",
                "Bytes on the event bus, stored or not",
                &self.bytes,
            ),
            (
                "persistor_stream_max_bytes",
                "Bytes that the event bus may hold; 0: any number",
                &self.max_bytes,
            ),
            (
                "persistor_unstored_messages",
                "Messages on the event bus that are not stored yet",
                &self.unacknowledged,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in [
            (
                "persistor_history_trimmed_messages",
                "Stored messages trimmed from the event bus at the end of --history",
                &self.aged,
            ),
            (
                "persistor_history_trimmed_early_messages",
                "Stored messages trimmed from the event bus before that, to make room",
                &self.early,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
    }
}
