//! The programs as a user runs them: real processes, a real PostgreSQL, a real nats-server, a
//! real S3 server. `make test` starts the servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod arrival;
mod bad_input;
mod bus;
mod cases;
mod clock;
mod cluster;
mod database_encodings;
mod dead;
mod dead_keeping;
mod docs;
mod docs_commands;
mod downloads;
mod drill;
mod dumps;
mod encodings;
mod end;
mod faults;
mod gps;
mod help;
mod history;
mod host;
mod hostile;
mod journal;
mod lanes;
mod last_release;
mod live;
mod manifests;
mod memory;
mod messages;
mod notifier;
mod openapi;
mod pooler;
mod random;
mod readings;
mod rebuild;
mod receipts;
mod recorded;
mod replay;
mod roles;
mod secrets;
mod signals;
mod slow;
mod snapshot;
mod soak;
mod source;
mod system;
mod tls;
mod trends;
mod up;
mod values;
mod walls;
