//! Serves until told to stop, then finishes requests under way.

use crate::Health;
use crate::connection::Connection;
use crate::limits::Limits;
use crate::outcome::Outcomes;
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
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

/// The services of one port, with health and reflection (`v1` and `v1alpha`).
#[derive(Clone, Debug)]
pub struct Services {
    routes: Routes,
    health: Health,
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
        let routes = Routes::new(health)
            .add_service(describe().build_v1()?)
            .add_service(describe().build_v1alpha()?);
        Ok(Self {
            routes,
            health: Health(reporter),
        })
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
            ..self
        }
    }

    /// What clients are told of the server's health.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }
}

/// Serves on `listener` until `stop`. Then it accepts no more connections, finishes requests under way, and returns
/// when the last connection is closed. The caller sets the deadline by dropping the future.
///
/// # Errors
/// [`Error::Ended`].
pub async fn serve(
    listener: TcpListener,
    services: Services,
    front: Front,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), Error> {
    let (begun, connections) = mpsc::channel(BEGUN);
    let (head, tasks, until) = (front.limits.head, TaskTracker::new(), stop.clone());
    let accepting = async move {
        web::accept(listener, &front, web::HTTP_2, &stop, &tasks, || {
            let begun = begun.clone();
            async move |stream| match Connection::begin(stream, head).await {
                // Refused once the server has ended.
                Ok(connection) => drop(begun.send(connection).await),
                Err(error) => tracing::debug!(%error, "connection ended early"),
            }
        })
        .await;
        tasks.close();
        drop(begun);
        tasks.wait().await;
    };
    let serving = Server::builder()
        .timeout(limits.deadline)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(METADATA)
        .http2_keepalive_interval(Some(ALIVE))
        .http2_keepalive_timeout(Some(ALIVE))
        .layer(Outcomes::new(limits))
        .serve_with_incoming_shutdown(
            services.routes.prepare(),
            ReceiverStream::new(connections).map(Ok::<_, Infallible>),
            async move { until.cancelled().await },
        );
    let ((), served) = tokio::join!(accepting, serving);
    Ok(served?)
}
