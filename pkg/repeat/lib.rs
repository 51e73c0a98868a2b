//! Work that programs repeat.
//!
//! ```
//! # async fn run(stop: tokio_util::sync::CancellationToken) {
//! let read = || std::fs::read_to_string("keys").map(drop);
//! repeat::refresh(stop, read, |error| eprintln!("cannot read the keys: {error}")).await;
//! # }
//! ```
//!
//! Deliberately not here: the work itself, and its log lines.

mod refresh;

pub use refresh::refresh;
