//! Connections to PostgreSQL: a pool opened from a URL, TLS by its `sslmode`, migrations under a
//! lock, and what an error means for the caller. [`server`] runs a private PostgreSQL.
//!
//! Knows no tables; SQL about readings is in `internal`, in files named `postgres.rs`.

mod connect;
mod error;
mod migrate;
mod reclaim;
pub mod server;
mod tls;

pub use connect::{Pool, open, reach};
pub use error::{Error, Failure};
pub use migrate::{migrate, wait_for_version};
