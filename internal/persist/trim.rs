//! The history on the bus: kept for a while once it is stored, trimmed earlier where room is needed.
//!
//! Every persistor does this by itself. It takes nothing but a few questions a second, and what one
//! has dropped the next one does not find.

use super::pause::Pause;
use event::{Keeper, Kept};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use service::Service;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long the bus keeps what is stored, as a flag.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct History {
    /// The event bus keeps readings for this long after they came, so that a database can be
    /// rebuilt from them. Those that are stored go earlier where it is four fifths full; those that
    /// are not never go
    #[arg(long, env, default_value = "7d", value_parser = service::duration, value_name = "DURATION")]
    pub history: Duration,
}

/// How often the bus is looked at: a full one refuses readings for about this long.
const LOOK: Duration = Duration::from_secs(1);

/// How often old history is dropped, at the most.
const AGED: Duration = Duration::from_secs(60);

/// How long one look, or trimming once, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// In tenths of what the bus may hold of dead letters: above, somebody should look at them.
const CROWDED: u64 = 8;

/// Trims one bus.
pub(super) struct Trimmer {
    keeper: Keeper,
    history: Duration,
    metrics: Metrics,
}

#[derive(Default)]
struct Metrics {
    bytes: Gauge,
    max_bytes: Gauge,
    unstored: Gauge,
    aged: Counter,
    early: Counter,
    dead_bytes: Gauge,
    dead_max_bytes: Gauge,
}

impl Trimmer {
    pub(super) fn new(keeper: Keeper, History { history }: History, service: &Service) -> Self {
        let metrics = Metrics::default();
        metrics.register(service);
        Self {
            keeper,
            history,
            metrics,
        }
    }

    /// What it trims the bus with.
    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Trims until `stop`, through every outage of the bus.
    pub(super) async fn run(&self, stop: CancellationToken) {
        // A short history is looked after more often.
        let often = (self.history / 10).clamp(LOOK, AGED);
        let (mut aged, mut next) = (Instant::now(), Instant::now());
        let mut pause = Pause::default();
        while stop.run_until_cancelled(sleep_until(next)).await.is_some() {
            let due = Instant::now() >= aged;
            let trimming = stop.run_until_cancelled(timeout(PATIENCE, self.once(due)));
            match trimming.await {
                None => return,
                Some(Ok(Ok(futile))) => {
                    if due {
                        aged = Instant::now() + often;
                    }
                    // Where there was nothing to drop, there will hardly be in a moment.
                    if futile { pause.longer() } else { pause.over() }
                }
                Some(Ok(Err(error))) => {
                    pause.longer();
                    // At start it is only being connected to.
                    if pause.length > LOOK && error.is_news() {
                        tracing::warn!(%error, "could not look after the history on the event bus; trying again");
                    }
                }
                Some(Err(_)) => {
                    pause.longer();
                    tracing::warn!("the event bus took too long to trim its history; trying again");
                }
            }
            next = Instant::now() + LOOK.max(pause.length);
        }
    }

    /// Looks once, and trims what is to be trimmed; whether room was needed and none could be made.
    async fn once(&self, aged: bool) -> Result<bool, event::Error> {
        let mut kept = self.keeper.look().await?;
        self.metrics.show(&kept);
        if aged {
            self.look_at_dead_letters().await;
            let span = i64::try_from(self.history.as_micros()).unwrap_or(i64::MAX);
            let moment = reading::time::now().saturating_sub(span);
            let trimmed = self.keeper.trim_before(moment).await?;
            self.metrics.aged.inc_by(trimmed);
            if trimmed > 0 {
                tracing::info!(messages = trimmed, history = ?self.history, "dropped old history from the event bus");
                kept = self.keeper.look().await?;
            }
        }
        if !kept.pressed {
            return Ok(false);
        }
        let trimmed = self.keeper.make_room().await?;
        self.metrics.early.inc_by(trimmed);
        let now = self.keeper.look().await?;
        self.metrics.show(&now);
        if trimmed > 0 {
            tracing::info!(
                messages = trimmed,
                bytes_before = kept.bytes,
                bytes = now.bytes,
                max_bytes = now.max_bytes,
                "dropped history from the event bus before its time, to make room"
            );
        } else if now.pressed && now.unhandled != Some(0) {
            tracing::warn!(
                bytes = now.bytes,
                max_bytes = now.max_bytes,
                unstored_messages = now.unhandled,
                "the event bus is nearly full of readings that are not stored yet; full, it refuses more"
            );
        }
        Ok(trimmed == 0)
    }
}

impl Trimmer {
    /// Full, the place for dead letters loses the oldest; that must not happen unseen.
    async fn look_at_dead_letters(&self) {
        let stock = match self.keeper.dead_letters().await {
            Ok(stock) => stock,
            Err(error) => {
                tracing::debug!(%error, "could not look at the dead letters");
                return;
            }
        };
        let max_bytes = stock.max_bytes.unwrap_or_default();
        self.metrics.dead_bytes.set(signed(stock.bytes));
        self.metrics.dead_max_bytes.set(signed(max_bytes));
        if max_bytes > 0 && stock.bytes / CROWDED >= max_bytes / 10 {
            tracing::warn!(
                bytes = stock.bytes,
                max_bytes,
                "the dead letters are nearly full, and the oldest go first; look at them with odograph dead list, then redrive or purge them"
            );
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Metrics {
    fn show(&self, kept: &Kept) {
        self.bytes.set(signed(kept.bytes));
        self.max_bytes.set(signed(kept.max_bytes.unwrap_or_default()));
        if let Some(unhandled) = kept.unhandled {
            self.unstored.set(signed(unhandled));
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
                &self.unstored,
            ),
            (
                "persistor_dead_letter_bytes",
                "Bytes of dead letters on the event bus",
                &self.dead_bytes,
            ),
            (
                "persistor_dead_letter_max_bytes",
                "Bytes of dead letters that the event bus may hold before the oldest go; 0: any number",
                &self.dead_max_bytes,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in [
            (
                "persistor_history_trimmed_messages",
                "Stored messages dropped from the event bus at the end of --history",
                &self.aged,
            ),
            (
                "persistor_history_trimmed_early_messages",
                "Stored messages dropped from the event bus before that, to make room",
                &self.early,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
    }
}
