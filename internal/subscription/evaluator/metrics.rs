//! What an evaluator counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// What is counted.
#[derive(Clone, Default)]
pub(super) struct Metrics {
    pub(super) events: Counter,
    pub(super) gaps: Counter,
    pub(super) lag: Gauge<f64, AtomicU64>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("notifier_events", "Events that were noticed", metrics.events.clone());
        registry.register(
            "notifier_gaps",
            "Events that were noticed and not queued, because the queue was full",
            metrics.gaps.clone(),
        );
        registry.register(
            "notifier_lag_seconds",
            "Age of the oldest change that the last transaction took, or that is still to be judged",
            metrics.lag.clone(),
        );
        metrics
    }

    /// Notes when the oldest change of a transaction was made, if it took one. In microseconds since 1970.
    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    pub(super) fn took(&self, oldest: Option<i64>, now: i64) {
        self.lag
            .set(oldest.map_or(0.0, |oldest| (now - oldest).max(0) as f64 / 1e6));
    }
}
