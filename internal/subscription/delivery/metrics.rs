//! What the sender counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the sender counts. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    attempts: Family<Outcome, Counter>,
    pub(super) pending: Gauge,
    pub(super) in_flight: Gauge,
    /// Most deliveries that were in memory at once.
    #[cfg(test)]
    pub(super) most_loaded: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    /// Makes them, and adds them to a program's metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let attempts = metrics.attempts.clone();
        registry.register("notifier_attempts", "Tries of deliveries, by their outcome", attempts);
        let pending = metrics.pending.clone();
        registry.register("notifier_pending", "Deliveries that have not ended", pending);
        let in_flight = metrics.in_flight.clone();
        registry.register("notifier_in_flight", "Requests on their way to endpoints", in_flight);
        metrics
    }

    #[cfg(test)]
    pub(super) fn most_loaded(&self) -> i64 {
        self.most_loaded.get()
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    pub(super) fn tried(&self, outcome: &'static str) {
        self.attempts.get_or_create(&Outcome { outcome }).inc();
    }
}

/// A count as a gauge takes it.
pub(super) fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
