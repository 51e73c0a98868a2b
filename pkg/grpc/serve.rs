//! Serves until told to stop, then finishes requests under way.

use crate::Health;
use crate::connection::Connection;
use crate::limits::Limits;
use crate::outcome::{Guard, Outcomes};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_reflection::server::Builder;
use tower::Service;
use web::Front;

/// Connections that have begun and are not served yet.
const BEGUN: usize = 16;

/// Streams of one connection at once.
const STREAMS: u32 = 256;

/// Bytes of a request's metadata.
const METADATA: u32 = 64 * 1024;

/// A client whose connection carries nothing is asked whether it is there, and has as long to answer.
const ALIVE: Duration = Duration::from_secs(20);

/// After this time a connection takes no new requests, so that clients spread over servers. It ends with its last
/// request: a time for that would cut them, as the library has it.
const AGE: Duration = Duration::from_secs(3600);

/// Errors of serving.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A service's description is damaged; it is part of the program.
    #[error("the description of a service cannot be read")]
    Description(#[from] tonic_reflection::server::Error),
    /// The server ended.
    #[error("the server ended")]
    Ended(#[from] tonic::transport::Error),
}

/// When a server ends.
#[derive(Clone, Debug)]
pub struct End {
    /// It is to take no new work.
    pub stop: CancellationToken,
    /// It is to leave what is not finished.
    pub late: CancellationToken,
}

/// The services of one port, with health and reflection (`v1` and `v1alpha`).
#[derive(Clone)]
pub struct Services {
    routes: Routes,
    health: Health,
    guard: Guard,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Services").field(&self.routes).finish()
    }
}

impl Services {
    /// Makes health and reflection. `descriptions` are encoded `FileDescriptorSet`s of the services to be added.
    ///
    /// # Errors
    /// [`Error::Description`].
    pub fn new(descriptions: &[&[u8]]) -> Result<Self, Error> {
        let describe = || {
            let builder = Builder::configure()
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
            descriptions.iter().fold(builder, |builder, one| {
                builder.register_encoded_file_descriptor_set(one)
            })
        };
        let (reporter, health) = tonic_health::server::health_reporter();
        let routes = Routes::new(health.accept_compressed(Gzip).send_compressed(Gzip))
            .add_service(describe().build_v1()?.accept_compressed(Gzip).send_compressed(Gzip))
            .add_service(
                describe()
                    .build_v1alpha()?
                    .accept_compressed(Gzip)
                    .send_compressed(Gzip),
            );
        Ok(Self {
            routes,
            health: Health::new(reporter),
            guard: Arc::new(|_| Ok(())),
        })
    }

    /// Asks this of each request, before anything of its body is read. Health and reflection are for everybody.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// Adds a service.
    #[must_use]
    pub fn with<S>(self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        Self {
            routes: self.routes.add_service(service),
            health: self.health.with(S::NAME),
            ..self
        }
    }

    /// What clients are told of the server's health.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }
}

/// Serves on `listener` until `end.stop`. Then it accepts no more connections, finishes requests under way, and returns
/// when the last connection is closed, or at `end.late`.
///
/// # Errors
/// [`Error::Ended`].
pub async fn serve(
    listener: TcpListener,
    services: Services,
    front: Front,
    limits: Limits,
    end: End,
) -> Result<(), Error> {
    let (begun, connections) = mpsc::channel(BEGUN);
    let (head, tasks) = (front.limits.head, TaskTracker::new());
    let (stop, until, health) = (end.stop.clone(), end.stop.clone(), services.health());
    // Apart: the server may learn of the end from the last connection as well, and would not wait for this.
    let unwatched = async {
        end.stop.cancelled().await;
        health.end().await;
    };
    let accepting = async move {
        web::accept(listener, &front, web::HTTP_2, &stop, &tasks, || {
            let (begun, stop) = (begun.clone(), stop.clone());
            async move |stream| match stop.run_until_cancelled(Connection::begin(stream, head)).await {
                // Refused once the server has ended.
                Some(Ok(connection)) => drop(begun.send(connection).await),
                Some(Err(error)) => tracing::debug!(%error, "connection ended early"),
                None => {}
            }
        })
        .await;
        tasks.close();
        drop(begun);
        tasks.wait().await;
    };
    let serving = Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(METADATA)
        .http2_keepalive_interval(Some(ALIVE))
        .http2_keepalive_timeout(Some(ALIVE))
        .max_connection_age(AGE)
        .layer(Outcomes::new(limits, services.guard))
        .serve_with_incoming_shutdown(
            services.routes.prepare(),
            ReceiverStream::new(connections).map(Ok::<_, Infallible>),
            until.cancelled_owned(),
        );
    tokio::select! {
        ((), served, ()) = async { tokio::join!(accepting, serving, unwatched) } => Ok(served?),
        () = end.late.cancelled() => {
            tracing::info!("clients keep connections open; leaving them");
            Ok(())
        }
    }
}
