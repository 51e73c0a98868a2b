//! The programs as a user runs them: real processes, a real PostgreSQL, a real nats-server, a
//! real S3 server. `make test` starts the servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod arrival;
mod bad_input;
mod dumps;
mod faults;
mod hostile;
mod lanes;
mod manifests;
mod memory;
mod rebuild;
mod receipts;
mod replay;
mod source;
mod system;
mod up;
mod walls;
