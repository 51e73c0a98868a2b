//! The sender's statements, each within a deadline.

use ::postgres::{Error, Pool};
use deadpool_postgres::Object;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// Longer than the server's statement timeout: this one is for a server that has stopped answering.
const DEADLINE: Duration = Duration::from_secs(35);

/// A parameter and its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The sender's connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Database(Pool);

/// A connection for one statement. Dropped before the answer, it is closed: the pool must not lend it while its
/// statement runs.
struct Lent(Option<Object>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

impl Database {
    pub(super) fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// Runs one statement. It is planned for these very parameters, so that partitions are left out.
    ///
    /// # Errors
    /// The errors of the pool and the server; [`Error::Unavailable`] past the deadline.
    pub(super) async fn query(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        let connection = self.0.get().await?;
        let mut lent = Lent(Some(connection));
        let Some(connection) = &lent.0 else {
            return Ok(Vec::new());
        };
        let answer = timeout(DEADLINE, connection.query_typed(statement, parameters)).await;
        self.answered(&mut lent, answer).await
    }

    /// Makes the partition of `parent` for the UTC day of this instant, in microseconds since 1970.
    pub(super) async fn make_partition(&self, parent: &str, at: i64) -> Result<(), Error> {
        let connection = self.0.get().await?;
        let mut lent = Lent(Some(connection));
        let Some(connection) = &lent.0 else {
            return Ok(());
        };
        let answer = timeout(DEADLINE, crate::partition::of_day(connection, parent, at)).await;
        self.answered(&mut lent, answer).await
    }

    async fn answered<T>(
        &self,
        lent: &mut Lent,
        answer: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, Error> {
        let connection = lent.0.take();
        match (answer, connection) {
            (Ok(answer), _) => Ok(answer?),
            (Err(elapsed), connection) => {
                if let Some(connection) = connection {
                    self.0.reclaim(connection).await;
                }
                Err(Error::Unavailable(elapsed.into()))
            }
        }
    }
}
