//! Takes uploads: authenticates them, judges their values, and publishes readings to the event bus.
//!
//! An [`Ingest`] is the state that all protocols share. A `session` is one upload: it judges bytes as they
//! come, gathers readings into segments, publishes them, and says how it ended. `http` is `POST /ingest`: it
//! reads a body, feeds it to a session, and answers. Another protocol would stand beside `http` and use the
//! same session.
//!
//! ```no_run
//! # async fn run(service: service::Service, limits: ingest::Limits) -> Result<(), Box<dyn std::error::Error>> {
//! let writer = event::Writer::open("nats://127.0.0.1:4222/readings", &bus::NAMES).await?;
//! let keys = access::Keys::load(&["a-key-of-its-own".into()], None)?;
//! let routes = ingest::Ingest::new(writer, keys, limits, None, &service).routes();
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately not here: PostgreSQL. A program with a database passes the time of its newest receipt as a [`Witness`].

mod admission;
mod clock;
mod counts;
mod http;
mod limits;
mod publish;
mod rejects;
mod series;
mod session;
#[cfg(test)]
mod verdicts;

pub use clock::{Unknown, Witness};
pub use limits::{EventTimes, Limits};

use access::{ByteQuota, Keys};
use admission::Admission;
use clock::{Clock, WARNING_INTERVAL};
use event::{Lane, Writer};
use prometheus_client::metrics::counter::Counter;
use publish::Publisher;
use repeat::LogLimit;
use series::SeriesQuota;
use service::Service;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The shared state of an ingestor.
pub struct Ingest {
    writer: Writer,
    live: Publisher,
    bulk: Publisher,
    limits: Limits,
    series: SeriesQuota,
    quota: ByteQuota,
    clock: Clock,
    source: String,
    drain_deadline: CancellationToken,
    /// Warnings of series without room.
    warnings: LogLimit,
    abandon: CancellationToken,
    keys: Keys,
    admission: Admission,
    metrics: Metrics,
    service: Service,
}

#[derive(Default)]
struct Metrics {
    accepted: Counter,
    rejected: Counter,
    deferred: Counter,
    forbidden: Counter,
    uploads: Counter,
    unfinished: Counter,
    unauthenticated: Counter,
    held_back: Counter,
}

impl Ingest {
    /// Makes an ingestor that publishes to `writer`. Its tasks run under `service`. If it has a database,
    /// `receipts` tells whether the clock can be right.
    pub fn new(writer: Writer, keys: Keys, limits: Limits, receipts: Option<Witness>, service: &Service) -> Self {
        let source = format!("/ingestor/{}", Uuid::now_v7().simple());
        let metrics = Metrics::default();
        metrics.register(service);
        service.metrics().register_collector(Box::new(keys.clone()));
        let publisher = |lane| {
            let stored = metrics.accepted.clone();
            let (publisher, publishing) = Publisher::new(writer.clone(), lane, source.clone(), stored);
            let abandon = service.abandon();
            service.spawn("publish readings", async move {
                // Then waiting uploads are told that their readings are not stored.
                let _ = abandon.run_until_cancelled(publishing).await;
                Ok(())
            });
            publisher
        };
        let (live, bulk) = (publisher(Lane::Live), publisher(Lane::Bulk));
        let (watched, stop) = (keys.clone(), service.stop());
        service.spawn("watch the keys file", async move {
            watched.watch(stop).await;
            Ok(())
        });
        Self {
            clock: Clock::new(&limits, writer.clone(), receipts, service),
            writer,
            live,
            bulk,
            series: SeriesQuota::new(limits.max_series),
            quota: ByteQuota::new(limits.max_rejected_per_key),
            admission: Admission::new(&limits),
            limits,
            source,
            drain_deadline: service.drain_deadline(),
            warnings: LogLimit::every(WARNING_INTERVAL),
            abandon: service.abandon(),
            keys,
            metrics,
            service: service.clone(),
        }
    }

    fn publisher(&self, lane: Lane) -> &Publisher {
        match lane {
            Lane::Live => &self.live,
            Lane::Bulk => &self.bulk,
        }
    }

    /// Warns of series without room: once, and then seldom.
    fn warn_of_deferred(&self, key: &str) {
        if self.warnings.allows("series without room") {
            tracing::warn!(
                key,
                max_series = self.limits.max_series,
                "readings of new series are deferred: there is no room for their names; raise --max-series if these series are intended"
            );
        }
    }
}

impl Metrics {
    fn register(&self, service: &Service) {
        let mut registry = service.metrics();
        let counters = [
            (
                "ingestor_readings_accepted",
                "Readings stored on the event bus",
                &self.accepted,
            ),
            ("ingestor_lines_rejected", "Lines that are not readings", &self.rejected),
            (
                "ingestor_readings_deferred",
                "Readings of new series without room, to be sent again (--max-series)",
                &self.deferred,
            ),
            (
                "ingestor_readings_forbidden",
                "Readings of devices that the key may not write for",
                &self.forbidden,
            ),
            ("ingestor_uploads", "Uploads answered", &self.uploads),
            (
                "ingestor_uploads_unfinished",
                "Uploads answered with neither 200 nor 400",
                &self.unfinished,
            ),
            (
                "ingestor_uploads_unauthenticated",
                "Uploads refused for want of a valid key",
                &self.unauthenticated,
            ),
            (
                "ingestor_uploads_held_back",
                "Uploads refused for now: too many at once or too many a second",
                &self.held_back,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
    }
}
