//! When each key was last used, as metrics.

use super::Keys;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most keys shown, those used last: all keys of a fleet would fill the page.
const SHOWN: usize = 1000;

impl Collector for Keys {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let tables = self.tables();
        let in_force: usize = tables.iter().map(|table| table.len()).sum();
        let gauge = ConstGauge::new(i64::try_from(in_force).unwrap_or(i64::MAX));
        let described =
            encoder.encode_descriptor("ingestor_keys", "Keys that let clients write", None, MetricType::Gauge)?;
        gauge.encode(described)?;
        let mut family = encoder.encode_descriptor(
            "ingestor_key_last_used_timestamp",
            "When each key in force that was used since the start was last used",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (id, moment) in self.last_used() {
            ConstGauge::new(moment).encode(family.encode_family(&[("key", &*id)])?)?;
        }
        Ok(())
    }
}

impl Keys {
    /// The ids of the used keys in force, and when; each id once, also if keys share it.
    pub(super) fn last_used(&self) -> Vec<(Arc<str>, i64)> {
        let mut by_id: BTreeMap<Arc<str>, i64> = BTreeMap::new();
        for key in self.tables().iter().flat_map(|table| table.values()) {
            let used = key.used.load(Ordering::Relaxed);
            if used > 0 {
                let latest = by_id.entry(key.id.clone()).or_insert(used);
                *latest = used.max(*latest);
            }
        }
        let mut used: Vec<_> = by_id.into_iter().collect();
        used.sort_by_key(|(_, moment)| std::cmp::Reverse(*moment));
        used.truncate(SHOWN);
        used
    }
}
