//! Signs webhooks and sends them to addresses that are judged before each connection.
//!
//! ```no_run
//! # async fn run(roots: rustls::RootCertStore) -> Result<(), webhook::Error> {
//! use std::time::Duration;
//! use webhook::{Allowed, Client, Headers, Keys, Request, Signature, Target};
//!
//! let allowed = Allowed::parse(["10.1.0.0/16"])?;
//! let client = Client::new(roots, allowed.clone())?;
//! let keys = Keys::new("a signing key of 32 bytes or more".to_owned().into(), None)?;
//! let target = Target::parse("https://hooks.example.com/cars", &allowed)?;
//!
//! let body = r#"{"type":"example"}"#;
//! let signature = Signature::new(&keys.secrets([7; 16], 1), "message-1", 1_900_000_000, body.as_bytes())?;
//! let request = Request::new(Headers::default(), signature, body.into());
//! let attempt = client.send(&request, &target, Duration::from_secs(15)).await;
//! # Ok(())
//! # }
//! ```
//!
//! A subscriber may name any URL, so a webhook must not reach what only this machine can reach. A
//! [`Target`] is judged when it is given. Its host is resolved once for each connection; all its addresses
//! must be public or [`Allowed`], and the connection goes to those addresses. The client follows no
//! redirect, uses no proxy, keeps no cookie, decompresses nothing and reads 64 KiB of an answer at most.
//!
//! The client is HTTP/1.1 of `hyper` over connections of its own, not `reqwest` and not the pool of
//! `hyper-util`:
//!
//! - Both resolve hosts inside their connectors, `reqwest` never shows literal addresses to its resolver,
//!   and neither limits how long a pooled connection is used. A client for each set of addresses would
//!   have a pool and a TLS configuration for each target.
//! - With the connection in hand, each deadline and each failure has its own [`Reason`].
//! - No task drives a connection: a try that is dropped leaves nothing behind.
//!
//! Deliberately not here: queues, timers, HTTP/2, asymmetric signatures (`v1a`), and what a webhook says.

mod address;
mod allowed;
mod client;
mod connection;
mod error;
mod headers;
mod keys;
mod outcome;
mod pool;
mod request;
mod resolve;
mod schedule;
mod target;
#[cfg(test)]
mod tests;

pub use allowed::Allowed;
pub use client::Client;
pub use error::Error;
pub use headers::Headers;
pub use keys::{Keys, Secret, Signature};
pub use outcome::{Attempt, Outcome, Reason};
pub use request::Request;
pub use schedule::Schedule;
pub use target::Target;
