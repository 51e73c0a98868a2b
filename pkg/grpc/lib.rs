//! gRPC of every service: serving with deadlines, health, reflection, and statuses that say what to do next.
//!
//! ```no_run
//! # async fn run(
//! #     listener: tokio::net::TcpListener,
//! #     stop: tokio_util::sync::CancellationToken,
//! #     late: tokio_util::sync::CancellationToken,
//! # ) -> Result<(), grpc::Error> {
//! let services = grpc::Services::new(&[])?;
//! services.health().set(true).await;
//! let end = grpc::End { stop, late };
//! grpc::serve(listener, services, web::Front::default(), grpc::Limits::default(), end).await
//! # }
//! ```
//!
//! Deliberately not here: any domain, and TLS, certificates and the number of connections, which are those of `web`.

mod connection;
mod health;
mod limits;
mod outcome;
mod serve;
pub mod status;

pub use health::Health;
pub use limits::Limits;
pub use outcome::Guard;
pub use serve::{End, Error, Services, serve};
