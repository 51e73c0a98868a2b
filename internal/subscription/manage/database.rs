//! Work on the database, each within a deadline.

use crate::answer::problem;
use ::postgres::{Error, Pool, Timer};
use deadpool_postgres::Object;
use futures_util::future::BoxFuture;
use service::Service;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use web::Problem;

/// Longer than the server's statement timeout: this one is for a server that has stopped answering.
const TIMEOUT: Duration = Duration::from_secs(35);

/// A pool whose connections are used by tasks of the service: a client that leaves interrupts no statement.
pub(super) struct Database {
    pool: Pool,
    service: Service,
}

/// Why work has no result.
pub(super) enum Failed {
    /// The client is told this.
    Told(Problem),
    /// The database failed.
    Database(Error),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Told(problem)
    }
}

impl Database {
    pub(super) fn new(pool: Pool, service: Service) -> Self {
        Self { pool, service }
    }

    /// Cancelled when the program is to end.
    pub(super) fn stop(&self) -> CancellationToken {
        self.service.stop()
    }

    /// Runs `work` on a connection, to its end.
    ///
    /// # Errors
    /// What `work` tells the client; 503 where the database does not answer.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a mut Client) -> BoxFuture<'a, Result<T, Failed>> + Send + 'static,
    {
        let pool = self.pool.clone();
        let working = self.service.run_to_end(async move {
            let mut connection = pool.get().await.map_err(|error| problem(error.into()))?;
            let _timer = Timer::of("manage_subscriptions");
            match timeout(TIMEOUT, work(&mut connection)).await {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(Failed::Told(told))) => Err(told),
                Ok(Err(Failed::Database(error))) => {
                    drop(Object::take(connection));
                    Err(problem(error))
                }
                Err(elapsed) => {
                    pool.reclaim(connection).await;
                    Err(problem(Error::Unavailable(elapsed.into())))
                }
            }
        });
        working.await.unwrap_or_else(|panic| Err(Problem::internal(panic)))
    }
}
