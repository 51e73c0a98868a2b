//! gRPC of every service: serving with deadlines, health, reflection, and statuses that say what to do next.
//!
//! ```no_run
//! # async fn run(listener: tokio::net::TcpListener, stop: tokio_util::sync::CancellationToken) -> Result<(), grpc::Error> {
//! let services = grpc::Services::new(&[])?;
//! let health = services.health();
//! health.set(true).await;
//! grpc::serve(listener, services, web::Front::default(), grpc::Limits::default(), stop).await
//! # }
//! ```
//!
//! Knows no domain. TLS, certificates and the number of connections are those of `web`.

mod connection;
mod health;
mod limits;
mod outcome;
mod serve;
pub mod status;

pub use health::Health;
pub use limits::Limits;
pub use serve::{Error, Services, serve};
