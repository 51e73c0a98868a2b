//! The sender's statements, each within a deadline.

use crate::lent::Lent;
use ::postgres::{Error, Pool};
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

impl Database {
    pub(super) fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// Runs one statement. It is planned for these very parameters, so that partitions are left out.
    ///
    /// # Errors
    /// The errors of the pool and the server; [`Error::Unavailable`] past the deadline.
    pub(super) async fn query(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        let mut lent = Lent::new(self.0.get().await?);
        let answer = timeout(DEADLINE, lent.connection()?.query_typed(statement, parameters)).await;
        self.answered(&mut lent, answer).await
    }

    /// Makes the partition of `parent` for the UTC day of this instant, in microseconds since 1970.
    pub(super) async fn make_partition(&self, parent: &str, at: i64) -> Result<(), Error> {
        let mut lent = Lent::new(self.0.get().await?);
        let answer = timeout(DEADLINE, store::make_day(lent.connection()?, parent, at)).await;
        self.answered(&mut lent, answer).await?;
        Ok(())
    }

    async fn answered<T>(
        &self,
        lent: &mut Lent,
        answer: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, Error> {
        let connection = lent.give_back();
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
