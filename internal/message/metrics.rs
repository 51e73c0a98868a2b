//! What is measured.

use crate::store::Size;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    call: &'static str,
}

/// What is measured. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    seconds: Family<Call, Histogram, fn() -> Histogram>,
    failed: Family<Call, Counter>,
    acknowledged: Counter,
    stored: Gauge,
    bytes: Gauge,
    epochs: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            // 0.5 ms to 16 s.
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 16))),
            failed: Family::default(),
            acknowledged: Counter::default(),
            stored: Gauge::default(),
            bytes: Gauge::default(),
            epochs: Gauge::default(),
        };
        let Self {
            seconds,
            failed,
            acknowledged,
            stored,
            bytes,
            epochs,
        } = metrics.clone();
        registry.register(
            "messages_call_seconds",
            "Duration of a call: put, get, delete or clean",
            seconds,
        );
        registry.register("messages_call_failures", "Calls that were not answered with OK", failed);
        registry.register(
            "messages_acknowledged",
            "Messages that were put and acknowledged",
            acknowledged,
        );
        registry.register(
            "messages_stored",
            "Messages on the disk, as PostgreSQL estimates them",
            stored,
        );
        registry.register(
            "messages_bytes",
            "Bytes of messages on the disk, with their index",
            bytes,
        );
        registry.register("messages_epochs", "Epochs on the disk", epochs);
        metrics
    }

    /// Counts a call.
    pub(crate) fn called(&self, call: &'static str, begun: Instant, is_ok: bool) {
        let label = Call { call };
        self.seconds
            .get_or_create(&label)
            .observe(begun.elapsed().as_secs_f64());
        if !is_ok {
            self.failed.get_or_create(&label).inc();
        }
    }

    pub(crate) fn acknowledged(&self, messages: u32) {
        self.acknowledged.inc_by(u64::from(messages));
    }

    pub(crate) fn size(&self, size: Size) {
        self.stored.set(size.messages);
        self.bytes.set(size.bytes);
        self.epochs.set(size.epochs);
    }
}
