//! What is measured.

use crate::store::Posted;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What is measured. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    posts: Family<Outcome, Counter>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "journal_posts",
            "Posts by what became of them: new, before (the same again), other (another one under the same key), deleted",
            metrics.posts.clone(),
        );
        metrics
    }

    pub(crate) fn posted(&self, posted: Posted) {
        let outcome = match posted {
            Posted::New(_) => "new",
            Posted::Before(_) => "before",
            Posted::Other => "other",
            Posted::Deleted => "deleted",
        };
        self.posts.get_or_create(&Outcome { outcome }).inc();
    }
}
