//! Asks the database for the API, each time within a deadline.

use ::postgres::{Error, Pool};
use deadpool_postgres::Object;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// Longer than the statement timeout that the server keeps: this one is for a server that has
/// stopped answering altogether.
const PATIENCE: Duration = Duration::from_secs(35);

/// The answer to one statement that touches no partition: planned once for each connection.
///
/// # Errors
/// As [`query`].
pub(crate) async fn query_series(
    pool: &Pool,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let client = pool.get().await?;
    let asked = async {
        let statement = client.prepare_cached(statement).await?;
        client.query(&statement, parameters).await
    };
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    within(client, answer)
}

/// The answer to one statement.
///
/// It is planned for these very parameters: a plan for any parameters would have to lock and look
/// at every month's partition. (Planned without the bounds at hand, with a partition a month since
/// 2000: 50 ms and 650 locks; with them 0.4 ms and 3.)
///
/// # Errors
/// As the pool and the server have them; [`Error::Unavailable`] past the deadline.
pub(crate) async fn query(
    pool: &Pool,
    statement: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, Error> {
    let client = pool.get().await?;
    let answer = tokio::time::timeout(PATIENCE, client.query_typed(statement, parameters)).await;
    within(client, answer)
}

fn within(
    client: Object,
    answer: Result<Result<Vec<Row>, tokio_postgres::Error>, tokio::time::error::Elapsed>,
) -> Result<Vec<Row>, Error> {
    match answer {
        Ok(rows) => Ok(rows?),
        Err(elapsed) => {
            // The next one to ask would wait behind what was asked here.
            drop(Object::take(client));
            Err(Error::Unavailable(elapsed.into()))
        }
    }
}
