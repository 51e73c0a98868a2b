//! Settings of a server towards its clients.

use crate::Certificate;
use std::time::Duration;

/// Limits of a server's connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the listener's queue.
    pub connections: usize,
    /// Time for a TLS handshake, for a whole request head, and for the next one on a kept
    /// connection.
    pub head: Duration,
    /// Longest pause of a client while it reads its answer.
    pub write: Duration,
    /// Bytes read ahead on a connection, which also bounds a request head.
    pub buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            head: Duration::from_secs(30),
            write: Duration::from_secs(15),
            buffer: 64 * 1024,
        }
    }
}

/// Settings of a server towards its clients.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// Limits of its connections.
    pub limits: Limits,
    /// Its certificate; `None` for plain HTTP.
    pub certificate: Option<Certificate>,
}
