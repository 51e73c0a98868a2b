//! Answers questions about stored readings over HTTP.
//!
//! ```no_run
//! # async fn run(service: service::Service) -> Result<(), postgres::Error> {
//! use std::time::Duration;
//!
//! let pool = postgres::open("postgres://localhost/odograph", 8, Duration::from_secs(20))?;
//! let router = query::routes(pool, query::Options::default(), &service);
//! # Ok(())
//! # }
//! ```
//!
//! Each question has a module: `mod.rs` holds its logic, `http.rs` its routes, `postgres.rs` its SQL.
//! Questions share `words` and never use each other; the router joins them.
//!
//! Deliberately not here: writes.

mod admission;
mod dump;
mod fleet;
mod journal;
mod live;
mod location;
mod openapi;
mod origin;
mod readings;
mod receipt;
mod router;
mod statistics;
mod status;
#[cfg(test)]
mod tests;
mod track;
mod trend;
mod trips;
mod words;

pub use admission::Admission;
pub use live::LiveOptions;
pub use origin::Origin;
pub use router::{Options, Tolerances, routes};
pub use trend::TrendLimits;
pub use trips::Thresholds;
