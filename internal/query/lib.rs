//! Questions about what is stored, and their answers over HTTP.
//!
//! ```no_run
//! # async fn run(service: service::Service) -> Result<(), postgres::Error> {
//! use std::time::Duration;
//!
//! let pool = postgres::open("postgres://localhost/odograph", 8, Duration::from_secs(20))?;
//! let router = query::routes(pool, Duration::from_secs(10), &service);
//! # Ok(())
//! # }
//! ```
//!
//! A module for each question: its `mod.rs` thinks, `http.rs` answers, `postgres.rs` asks. The
//! questions know the words that they share (`words`) and never each other; the router stands above
//! them.
//!
//! Deliberately not here: anything that writes.

mod location;
mod receipt;
mod router;
mod statistics;
mod status;
#[cfg(test)]
mod tests;
mod trend;
mod words;

pub use router::routes;
