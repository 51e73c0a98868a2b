//! What a persistor counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use service::Service;

#[derive(Default)]
pub(super) struct Metrics {
    pub(super) stored: Counter,
    pub(super) duplicates: Counter,
    pub(super) conflicts: Counter,
    pub(super) batches: Counter,
    pub(super) dead: Counter,
    pub(super) retries: Counter,
    pub(super) held: Gauge,
}

impl Metrics {
    /// The messages that a lane holds were so many and are so many now.
    pub(super) fn hold(&self, before: usize, now: usize) {
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.held.inc_by(signed(now) - signed(before));
    }

    pub(super) fn register(&self, service: &Service) {
        let mut registry = service.metrics();
        let counters = [
            ("persistor_readings_stored", "Readings stored", &self.stored),
            (
                "persistor_readings_duplicate",
                "Readings that were there already",
                &self.duplicates,
            ),
            (
                "persistor_readings_conflict",
                "Readings whose identity was there already with another value",
                &self.conflicts,
            ),
            (
                "persistor_batches_stored",
                "Transactions that stored readings",
                &self.batches,
            ),
            (
                "persistor_dead_letters",
                "Messages that became dead letters",
                &self.dead,
            ),
            ("persistor_retries", "Batches tried again", &self.retries),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "persistor_held_messages",
            "Messages gathered for the next batch",
            self.held.clone(),
        );
    }
}
