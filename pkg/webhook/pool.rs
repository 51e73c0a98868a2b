//! Connections that are kept for the next request.

use crate::connection::Connection;
use crate::target::Origin;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection is used after its address was judged. Then the host is resolved again, so that
/// deliveries follow a host that moves, and leave one whose name has become another's.
pub(crate) const LONGEST_USE: Duration = Duration::from_secs(60);
/// Most idle connections to an origin.
const IDLE: usize = 16;
/// Most idle connections of all origins. One with TLS holds some 40 KiB.
const ALL_IDLE: usize = 256;

/// Idle connections, by what they can serve.
pub(crate) struct Pool {
    longest_use: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: HashMap<Arc<Origin>, Vec<Connection>>,
    count: usize,
    swept: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(longest_use: Duration) -> Self {
        Self {
            longest_use,
            idle: Mutex::default(),
        }
    }

    /// A connection that was judged lately and that its endpoint has not closed: the one used last.
    pub(crate) async fn take(&self, origin: &Arc<Origin>) -> Option<Connection> {
        loop {
            let mut connection = self.pop(origin)?;
            if self.is_fresh(&connection) && connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection, if there is room.
    pub(crate) fn give(&self, origin: &Arc<Origin>, connection: Connection) {
        self.sweep();
        let mut idle = self.lock();
        if idle.count >= ALL_IDLE || !self.is_fresh(&connection) {
            return;
        }
        let of_origin = idle.connections.entry(origin.clone()).or_default();
        if of_origin.len() < IDLE {
            of_origin.push(connection);
            idle.count += 1;
        }
    }

    /// Closes the connections that have been used long enough; looks once a second at most.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.lock();
        if idle.swept.is_some_and(|swept| now < swept + Duration::from_secs(1)) {
            return;
        }
        idle.swept = Some(now);
        idle.connections.retain(|_, connections| {
            connections.retain(|connection| self.is_fresh(connection));
            !connections.is_empty()
        });
        idle.count = idle.connections.values().map(Vec::len).sum();
    }

    fn pop(&self, origin: &Arc<Origin>) -> Option<Connection> {
        let mut idle = self.lock();
        let connections = idle.connections.get_mut(origin)?;
        let connection = connections.pop();
        if connections.is_empty() {
            idle.connections.remove(origin);
        }
        idle.count -= usize::from(connection.is_some());
        connection
    }

    fn is_fresh(&self, connection: &Connection) -> bool {
        connection.judged().elapsed() < self.longest_use
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
