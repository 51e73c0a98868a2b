//! What all requests share.

use crate::admission::Admission;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::read::Reader;
use crate::store::Store;
use ::postgres::{Database, Pool};
use service::Service;
use std::sync::Arc;

/// A server of the journal.
#[derive(Clone)]
pub struct Journal(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) reader: Reader,
    pub(super) store: Store,
    pub(super) admission: Admission,
    pub(super) options: Options,
    pub(super) metrics: Metrics,
    /// Runs what outlives a client.
    pub(super) service: Service,
}

impl Journal {
    /// Connections of the pool that it needs.
    pub const CONNECTIONS: usize = 8;

    /// Makes a server over a pool of [`Self::CONNECTIONS`].
    #[must_use]
    pub fn new(pool: Pool, options: Options, admission: Admission, service: &Service) -> Self {
        let (watched, stop) = (admission.clone(), service.stop());
        service.spawn("watch the keys of the journal", async move {
            watched.watch(stop).await;
            Ok(())
        });
        let (store, stop) = (Store::new(pool.clone()), service.stop());
        let trimmed = store.clone();
        service.spawn("trim what subscribers were told", async move {
            trimmed.trim(options.event_retention, stop).await;
            Ok(())
        });
        Self(Arc::new(Inner {
            reader: Reader::new(Database::new(pool, service.clone())),
            store,
            admission,
            options,
            metrics: Metrics::register(&mut service.metrics()),
            service: service.clone(),
        }))
    }
}
