//! Questions to the database, each within a deadline. A question is cancelled if its caller leaves.

use crate::{Error, Pool};
use deadpool_postgres::{ClientWrapper, Object};
use service::Service;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{error::Elapsed, sleep, timeout};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// Longer than the server's statement timeout: this one is for a server that has stopped answering.
const TIMEOUT: Duration = Duration::from_secs(35);

/// How long cancelling a statement may take past the drain deadline.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(500);

/// Asks questions over a pool. Cheap to clone.
///
/// The number of questions that wait for a connection is bounded; further ones fail at once. A question may be dropped at any moment: its client leaves, or its time is over. Its statement is then
/// cancelled, and no other question waits behind it.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// Awaits cancellations at the program's end.
    service: Service,
    /// One for each question that has a connection, or waits for one.
    turns: Arc<Semaphore>,
}

impl Database {
    /// Questions that wait for a connection, at the most, unless [`Database::queueing`] says otherwise.
    pub const QUEUE: usize = 256;

    /// Asks over this pool. `service` awaits cancelled statements at its end.
    #[must_use]
    pub fn new(pool: Pool, service: Service) -> Self {
        Self {
            turns: turns(&pool, Self::QUEUE),
            pool,
            service,
        }
    }

    /// Lets at most `waiting` questions wait for a connection.
    #[must_use]
    pub fn queueing(self, waiting: usize) -> Self {
        Self {
            turns: turns(&self.pool, waiting),
            ..self
        }
    }

    async fn lend(&self) -> Result<Lent<'_>, Error> {
        let turn = self.turns.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        let connection = Some(self.pool.get().await?);
        Ok(Lent {
            connection,
            database: self,
            _turn: turn,
        })
    }
}

impl Database {
    /// Runs one statement that touches no partition: planned once for each connection.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub async fn query_planned(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let client = self.lend().await?;
        let asked = async {
            let statement = client.prepare_cached(statement).await?;
            client.query(&statement, parameters).await
        };
        let answer = timeout(TIMEOUT, asked).await;
        client.answered(answer)
    }

    /// As [`Database::query_planned`], for parameters whose types the server cannot find by itself.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub async fn query_typed_planned(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        let (values, types): (Vec<&(dyn ToSql + Sync)>, Vec<Type>) = parameters.iter().cloned().unzip();
        let client = self.lend().await?;
        let asked = async {
            let statement = client.prepare_typed_cached(statement, &types).await?;
            client.query(&statement, &values).await
        };
        let answer = timeout(TIMEOUT, asked).await;
        client.answered(answer)
    }

    /// Runs one statement.
    ///
    /// It is planned for these very parameters: a plan for any parameters would have to lock and examine every
    /// partition. (Planned without the bounds at hand, with a partition a month since 2000: 50 ms and 650
    /// locks; with them 0.4 ms and 3.)
    ///
    /// # Errors
    /// The errors of the pool and the server; [`Error::Unavailable`] past the deadline; [`Error::Busy`] where too many
    /// questions wait.
    pub async fn query(&self, statement: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Error> {
        let client = self.lend().await?;
        let answer = timeout(TIMEOUT, client.query_typed(statement, parameters)).await;
        client.answered(answer)
    }
}

/// The turns of a pool's questions.
fn turns(pool: &Pool, waiting: usize) -> Arc<Semaphore> {
    let all = pool.status().max_size.saturating_add(waiting);
    Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)))
}

/// A connection for one question.
struct Lent<'a> {
    /// None once the question was answered.
    connection: Option<Object>,
    database: &'a Database,
    _turn: OwnedSemaphorePermit,
}

impl Lent<'_> {
    /// Returns the connection to the pool, unless the time is over.
    fn answered(mut self, answer: Result<Result<Vec<Row>, tokio_postgres::Error>, Elapsed>) -> Result<Vec<Row>, Error> {
        let answer = answer.map_err(|elapsed| Error::Unavailable(elapsed.into()))?;
        drop(self.connection.take());
        Ok(answer?)
    }
}

impl Deref for Lent<'_> {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.connection.as_ref().expect("a connection is lent until the answer")
    }
}

impl Drop for Lent<'_> {
    /// Runs when a question is dropped: a dropped request ends nowhere else.
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if Handle::try_current().is_err() {
            // The program has ended.
            drop(Object::take(connection));
            return;
        }
        let Database { pool, service, .. } = self.database.clone();
        let drain_deadline = service.drain_deadline();
        // The service awaits it.
        let _task = service.run_to_end(async move {
            let end = async {
                drain_deadline.cancelled().await;
                sleep(CANCEL_TIMEOUT).await;
            };
            tokio::select! {
                () = pool.reclaim(connection) => {}
                () = end => {}
            }
        });
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn questions_beyond_the_queue_fail_at_once() {
        let server = testutil::database().await;
        let pool = crate::open(&server.url(), 1, Duration::from_secs(30)).unwrap();
        let database = Database::new(pool, Service::new("test", Duration::from_secs(25))).queueing(1);
        let slow = database.query("SELECT pg_sleep(30)", &[]);
        let waiting = database.query("SELECT 1", &[]);
        let asked = async {
            testutil::poll(Duration::from_secs(60), async || {
                (database.turns.available_permits() == 0).then_some(())
            })
            .await;
            database.query("SELECT 1", &[]).await
        };
        tokio::select! {
            biased;
            answer = async { tokio::join!(slow, waiting) } => panic!("before the third: {answer:?}"),
            refused = asked => assert!(matches!(refused, Err(Error::Busy)), "{refused:?}"),
        }
        // Those that left gave their turns back.
        database.query("SELECT 1", &[]).await.unwrap();
    }
}
