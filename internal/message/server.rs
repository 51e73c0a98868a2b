//! The server: its calls, and what it does by itself.

use crate::admission::Admission;
use crate::calls::Calls;
use crate::gather::{Gatherer, TRANSACTIONS};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::proto::SERVICES;
use crate::proto::cleaner::service_server::ServiceServer as CleanerServer;
use crate::proto::messages::service_server::ServiceServer as MessagesServer;
use crate::store::{Size, Store};
use ::postgres::{Error, Pool};
use grpc::{End, Health, Limits, Services};
use service::{Latch, Service};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tonic::codec::CompressionEncoding;
use web::Front;

/// Between two looks for epochs that are due, at the least and at the most.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Gets, deletes and cleans at once.
const TURNS: usize = 6;

/// A server of messages.
pub struct Messages {
    calls: Calls,
    admission: Admission,
    latch: Latch,
}

impl Messages {
    /// Connections of the pool: of puts, of the rest, and of what it does by itself.
    pub const CONNECTIONS: usize = TRANSACTIONS + TURNS + 2;

    /// Makes a server over a pool of [`Self::CONNECTIONS`]. It is ready once it has looked at the database.
    #[must_use]
    pub fn new(pool: Pool, options: Options, admission: Admission, service: &Service) -> Self {
        let store = Store::new(pool, options.retention);
        let (gatherer, gathering) = Gatherer::new(store.clone(), service.drain_deadline());
        service.spawn("puts", async move {
            gathering.await;
            Ok(())
        });
        let (watched, stop) = (admission.clone(), service.stop());
        service.spawn("watch the keys of messages", async move {
            watched.watch(stop).await;
            Ok(())
        });
        Self {
            calls: Calls {
                store,
                gatherer,
                options,
                turns: Arc::new(Semaphore::new(TURNS)),
                metrics: Metrics::register(&mut service.metrics()),
                full: Arc::new(AtomicBool::new(false)),
                service: service.clone(),
            },
            admission,
            latch: service.latch("messages"),
        }
    }

    /// Serves on `listener` until the program is to end. Until the database is migrated, which `migrated` waits for,
    /// calls fail and are to be sent again.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn serve(
        self,
        listener: TcpListener,
        front: Front,
        migrated: impl Future<Output = ()> + Send,
    ) -> anyhow::Result<()> {
        let Self {
            calls,
            admission,
            latch,
        } = self;
        let (options, stop) = (calls.options, calls.service.stop());
        let messages = MessagesServer::new(calls.clone())
            .max_decoding_message_size(options.max_request)
            // Of a single id. Answers for several were bounded before.
            .max_encoding_message_size(usize::MAX)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let services = Services::new(&[SERVICES])?
            .with(messages)
            .with(
                CleanerServer::new(calls.clone())
                    .accept_compressed(CompressionEncoding::Gzip)
                    .send_compressed(CompressionEncoding::Gzip),
            )
            .guarded(Arc::new(move |headers| admission.admit(headers)));
        let limits = Limits {
            max_request: options.max_request,
            max_in_flight: options.max_in_flight,
            ..Limits::default()
        };
        let health = services.health();
        // Until the first look at the database.
        health.set(false).await;
        let end = End {
            stop: stop.clone(),
            late: calls.service.drain_deadline(),
        };
        let keeping = stop.run_until_cancelled(async {
            migrated.await;
            keep(&calls, health, &latch).await;
        });
        let (_, served) = tokio::join!(keeping, grpc::serve(listener, services, front, limits, end));
        Ok(served?)
    }
}

/// Opens epochs, and removes those that are past their time.
async fn keep(calls: &Calls, health: Health, latch: &Latch) {
    let interval = (calls.options.retention / 70).clamp(LOOKS.0, LOOKS.1);
    let (mut was_kept, mut is_open) = (true, false);
    loop {
        let kept = look(calls, &mut is_open).await;
        latch.set(kept.is_ok());
        health.set(kept.is_ok()).await;
        match kept {
            Ok(size) => {
                was_kept = true;
                calls.metrics.size(size);
                let is_full = calls
                    .options
                    .max_store
                    .is_some_and(|most| u64::try_from(size.bytes).unwrap_or(0) >= most);
                if calls.full.swap(is_full, Ordering::Relaxed) != is_full {
                    tracing::warn!(
                        bytes = size.bytes,
                        is_full,
                        "the store reached --max-store, or has room again"
                    );
                }
                sleep(interval).await;
            }
            Err(error) => {
                if std::mem::take(&mut was_kept) {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "cannot look for epochs that are due; trying again");
                }
                sleep(LOOKS.0).await;
            }
        }
    }
}

async fn look(calls: &Calls, is_open: &mut bool) -> Result<Size, Error> {
    let store = &calls.store;
    let rolled = open_next(store, is_open).await;
    // Also if none can be opened: the disk may be full of what is past its time. And puts and gets go on while an epoch
    // cannot be removed.
    if let Err(error) = store.clean().await {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, "cannot remove an epoch that is past its time; trying again");
    }
    rolled?;
    store.size().await
}

async fn open_next(store: &Store, is_open: &mut bool) -> Result<(), Error> {
    // Once: servers that keep messages for different times must not close each other's epochs for ever.
    if !*is_open {
        store.open().await?;
        *is_open = true;
    }
    store.roll_if_due().await
}
