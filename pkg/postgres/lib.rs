//! Connections to PostgreSQL: a pool opened from a URL, each connection with a session of its own,
//! TLS by its `sslmode`, transactions by name, snapshots, and errors by their meaning for the caller.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = postgres::open("postgres://localhost/shop", 4, std::time::Duration::from_secs(25))?;
//! let row = pool.get().await?.query_one("SELECT 1", &[]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately not here: tables. Their SQL is in the crates that use them.

mod connect;
mod database;
mod error;
mod reclaim;
mod sessions;
mod snapshot;
mod tls;
mod transaction;
mod version;

pub use connect::{Pool, open, reach};
pub use database::Database;
pub use error::{Error, Failure};
pub use snapshot::Snapshot;
pub use transaction::{Timer, Tries, register};
pub use version::wait_for_version;
