//! Questions to the database, each within a deadline. A question is cancelled if its caller leaves.

use crate::{Error, Pool};
use deadpool_postgres::{ClientWrapper, Object};
use service::Service;
use std::ops::Deref;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{error::Elapsed, sleep, timeout};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// Longer than the server's statement timeout: this one is for a server that has stopped answering.
const TIMEOUT: Duration = Duration::from_secs(35);

/// How long cancelling a statement may take past the drain deadline.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(500);

/// Asks questions over a pool. Cheap to clone.
///
/// A question may be dropped at any moment: its client leaves, or its time is over. Its statement is then
/// cancelled, and no other question waits behind it.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// Awaits cancellations at the program's end.
    service: Service,
}

impl Database {
    /// Asks over this pool. `service` awaits cancelled statements at its end.
    #[must_use]
    pub fn new(pool: Pool, service: Service) -> Self {
        Self { pool, service }
    }

    async fn lend(&self) -> Result<Lent<'_>, Error> {
        let connection = Some(self.pool.get().await?);
        Ok(Lent {
            connection,
            database: self,
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

    /// Runs one statement.
    ///
    /// It is planned for these very parameters: a plan for any parameters would have to lock and examine every
    /// partition. (Planned without the bounds at hand, with a partition a month since 2000: 50 ms and 650
    /// locks; with them 0.4 ms and 3.)
    ///
    /// # Errors
    /// The errors of the pool and the server; [`Error::Unavailable`] past the deadline.
    pub async fn query(&self, statement: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Error> {
        let client = self.lend().await?;
        let answer = timeout(TIMEOUT, client.query_typed(statement, parameters)).await;
        client.answered(answer)
    }
}

/// A connection for one question.
struct Lent<'a> {
    /// None once the question was answered.
    connection: Option<Object>,
    database: &'a Database,
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
        let Database { pool, service } = self.database.clone();
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
