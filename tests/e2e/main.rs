//! The programs as a user runs them: real processes, a real PostgreSQL, a real nats-server, a
//! real S3 server. `make test` starts the servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod arrival;
mod bad_input;
mod dead;
mod drill;
mod dumps;
mod encodings;
mod faults;
mod history;
mod hostile;
mod lanes;
mod last_release;
mod manifests;
mod memory;
mod pooler;
mod rebuild;
mod receipts;
mod replay;
mod roles;
mod secrets;
mod slow;
mod soak;
mod source;
mod system;
mod tls;
mod up;
mod walls;
