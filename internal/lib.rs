//! The domains of Odograph, a module each, with its adapters beside its logic: `http.rs` knows
//! status codes, `events.rs` acknowledges, `postgres.rs` holds SQL.
//!
//! Domains may use [`reading`] and [`schema`], never each other.

pub mod dump;
pub mod reading;
pub mod schema;
