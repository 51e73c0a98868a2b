//! What the live stream counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    pub(super) listeners: Gauge,
    pub(super) dropped: Counter,
    pub(super) polls: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "api_live_listeners",
            "Clients that listen to the live stream",
            metrics.listeners.clone(),
        );
        registry.register(
            "api_live_listeners_dropped",
            "Listeners that were too slow, and were dropped",
            metrics.dropped.clone(),
        );
        registry.register(
            "api_live_polls",
            "Looks at the database for changes, for all listeners",
            metrics.polls.clone(),
        );
        metrics
    }
}
