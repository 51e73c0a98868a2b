//! Takes connections back whose callers have left before the answer.

use crate::Pool;
use deadpool_postgres::{ClientWrapper, Object};
use std::time::Duration;
use tokio::time::timeout;

/// How long a statement may go on by itself. Most end within this.
const GRACE: Duration = Duration::from_millis(100);

/// How long one request to cancel may take, and the statement after it. Then the server is asked
/// again: a request that arrives before its statement has no effect.
const ROUND: Duration = Duration::from_secs(1);

/// Requests to cancel one statement.
const ROUNDS: usize = 5;

impl Pool {
    /// Ends the statement that still runs on a connection, for a caller who has left.
    ///
    /// The connection keeps its place in the pool until then, 11 seconds at most. So the pool's size
    /// bounds the statements that run and those that are being cancelled. A connection whose statement
    /// ended by itself is used again. One whose statement was cancelled is closed: the server does not
    /// tell when it acts on the request, and acting late it would cancel the next question.
    pub async fn reclaim(&self, connection: Object) {
        if has_ended(&connection, GRACE).await {
            return;
        }
        if !self.cancel(&connection).await {
            tracing::warn!("a statement did not end after its client had left; its connection is closed");
        }
        drop(Object::take(connection));
    }

    /// Cancels the statement on a connection; whether it has ended.
    async fn cancel(&self, connection: &ClientWrapper) -> bool {
        let token = connection.cancel_token();
        for _ in 0..ROUNDS {
            match timeout(ROUND, token.cancel_query(self.tls.clone())).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "could not cancel a statement"),
                Err(_) => tracing::debug!("could not cancel a statement in time"),
            }
            if has_ended(connection, ROUND).await {
                return true;
            }
        }
        false
    }
}

/// Whether everything that was asked on this connection is answered within a time: the server
/// answers one statement after the other.
async fn has_ended(connection: &ClientWrapper, within: Duration) -> bool {
    // An error is an answer, too. Of a closed connection the pool takes care.
    timeout(within, connection.simple_query("")).await.is_ok()
}
