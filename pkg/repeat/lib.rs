//! Work that programs repeat, and what they log about it.
//!
//! ```
//! use std::time::Duration;
//!
//! static FAILURES: repeat::LogLimit = repeat::LogLimit::every(Duration::from_secs(300));
//! assert!(FAILURES.allows("the disk is full"));
//! assert!(!FAILURES.allows("the disk is full"));
//!
//! # async fn run(stop: tokio_util::sync::CancellationToken) {
//! let read = || std::fs::read_to_string("keys").map(drop);
//! repeat::refresh(stop, read, |error| eprintln!("cannot read the keys: {error}")).await;
//! # }
//! ```
//!
//! Deliberately not here: the work itself, and its log lines.

mod log_limit;
mod pauses;
mod refresh;
mod retry_after;

pub use log_limit::LogLimit;
pub use pauses::Pauses;
pub use refresh::refresh;
pub use retry_after::retry_after;
