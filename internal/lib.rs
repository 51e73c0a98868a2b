//! The domains of Odograph, a module each, with its adapters beside its logic: `http.rs` knows
//! status codes, `events.rs` acknowledges, `postgres.rs` holds SQL.
//!
//! Domains may use [`reading`], [`schema`] and the shared words of [`api`], never each other.

pub mod api;
pub mod bus;
pub mod dump;
pub mod location;
pub mod reading;
pub mod receipt;
pub mod replay;
pub mod schema;
pub mod simulate;
pub mod statistics;
pub mod status;
pub mod trend;
