//! Metrics of a persistor.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use service::Service;

#[derive(Default)]
pub(super) struct Metrics {
    pub(super) persisted: Counter,
    pub(super) duplicates: Counter,
    pub(super) conflicts: Counter,
    pub(super) batches: Counter,
    pub(super) dead: Counter,
    pub(super) lines: Counter,
    pub(super) evicted: Counter,
    pub(super) line_bytes: Gauge,
    pub(super) line_max_bytes: Gauge,
    pub(super) retries: Counter,
    pub(super) gathered: Gauge,
}

/// A count as a gauge takes it.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Updates the gauge of gathered messages, from a lane's count before to its count now.
    pub(super) fn gather(&self, before: usize, now: usize) {
        self.gathered.inc_by(signed(now as u64) - signed(before as u64));
    }

    pub(super) fn register(&self, service: &Service) {
        let mut registry = service.metrics();
        let counters = [
            (
                "persistor_readings_stored",
                "Readings persisted: newly stored in the database",
                &self.persisted,
            ),
            (
                "persistor_readings_duplicate",
                "Duplicates: readings whose identity and value were stored already",
                &self.duplicates,
            ),
            (
                "persistor_readings_conflict",
                "Conflicts: readings whose identity was stored already with another value",
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
            (
                "persistor_dead_letters_of_lines",
                "Dead letters of rejected lines stored",
                &self.lines,
            ),
            (
                "persistor_dead_letters_evicted",
                "Dead letters of rejected lines evicted beyond --dead-letter-bytes",
                &self.evicted,
            ),
            ("persistor_retries", "Batches tried again", &self.retries),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let gauges = [
            (
                "persistor_held_messages",
                "Messages gathered for the next batch",
                &self.gathered,
            ),
            (
                "persistor_dead_letter_bytes",
                "Bytes of rejected lines among the dead letters, as last measured",
                &self.line_bytes,
            ),
            (
                "persistor_dead_letter_max_bytes",
                "Bytes of rejected lines beyond which the oldest are evicted",
                &self.line_max_bytes,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
    }
}
