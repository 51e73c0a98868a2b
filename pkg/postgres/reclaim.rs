//! Reclaims connections of callers that left before the answer.

use crate::Pool;
use deadpool_postgres::{ClientWrapper, Object};
use std::time::Duration;
use tokio::time::timeout;

/// How long a statement may continue before it is cancelled. Most end within this.
const STATEMENT_GRACE: Duration = Duration::from_millis(100);

/// How long a request to cancel may take, and the statement to end. Then another request follows: one
/// that arrives before its statement has no effect.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// Requests to cancel one statement, at the most.
const ROUNDS: usize = 5;

impl Pool {
    /// Ends the statement that still runs on a connection after its caller has left.
    ///
    /// The connection keeps its place in the pool until then, 11 seconds at most. So the pool's size
    /// bounds all statements, those being cancelled included. A connection whose statement ended on its
    /// own is reused. One whose statement was cancelled is closed: the server does not tell when it acts
    /// on the request, and late it would cancel the next statement.
    pub async fn reclaim(&self, connection: Object) {
        if has_ended(&connection, STATEMENT_GRACE).await {
            return;
        }
        if !self.cancel(&connection).await {
            tracing::warn!("a statement did not end after its client had left; closing its connection");
        }
        drop(Object::take(connection));
    }

    /// Cancels the statement on a connection. Returns whether it has ended.
    async fn cancel(&self, connection: &ClientWrapper) -> bool {
        let token = connection.cancel_token();
        for _ in 0..ROUNDS {
            match timeout(CANCEL_TIMEOUT, token.cancel_query(self.tls.clone())).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "could not cancel a statement"),
                Err(_) => tracing::debug!("could not cancel a statement in time"),
            }
            if has_ended(connection, CANCEL_TIMEOUT).await {
                return true;
            }
        }
        false
    }
}

/// Whether all statements on this connection end within a time. The server answers them in order, so
/// an empty one tells.
async fn has_ended(connection: &ClientWrapper, within: Duration) -> bool {
    // An error is an answer, too. The pool discards a closed connection.
    timeout(within, connection.simple_query("")).await.is_ok()
}
