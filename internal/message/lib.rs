//! Messages: a temporary store of CloudEvents over gRPC, on PostgreSQL.
//!
//! A put is answered once it is committed. A message that is put twice is stored once; another message under the same
//! id and source is an error. No answer holds an expired message. Soon after, its whole epoch leaves the disk.
//!
//! ```no_run
//! # async fn run(pool: postgres::Pool, service: service::Service) -> anyhow::Result<()> {
//! use message::{Admission, Messages, Options};
//!
//! let messages = Messages::new(pool, Options::default(), Admission::open(), &service);
//! let listener = service.listen("messages", 50051).await?;
//! // The database is migrated already.
//! messages.serve(listener, web::Front::default(), std::future::ready(())).await
//! # }
//! ```
//!
//! `calls` answers, `gather` lets puts share transactions, `store` has the SQL, `api/grpc` the services.
//!
//! Deliberately not here: sockets and TLS (`grpc`, `web`).

mod admission;
mod calls;
mod client;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gather;
mod message;
mod metrics;
mod options;
mod proto;
mod server;
mod store;

pub use admission::Admission;
pub use client::{Client, ClientError};
pub use grpc::status::Failure;
pub use options::{Options, retention};
pub use proto::SERVICES;
pub use server::Messages;
