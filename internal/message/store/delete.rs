//! Deletes.

use super::Store;
use super::session::{BEGIN, Session};
use ::postgres::Error;
use deadpool_postgres::Object;
use tokio_postgres::Error as Failed;
use tokio_postgres::types::ToSql;

impl Store {
    /// Deletes all messages of these ids. Committed when this returns.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn delete(&self, ids: &[String]) -> Result<(), Error> {
        // Sorted, so that two deletes lock in one order.
        let mut ids: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !id.contains('\0')).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut session = Session::of("delete_messages");
        loop {
            let begun = session.begin(&self.pool).await?;
            match delete(&begun.0, &ids).await {
                Ok(()) => return Ok(()),
                Err(error) => session.failed(begun, error).await?,
            }
        }
    }
}

async fn delete(client: &Object, ids: &[&str]) -> Result<(), Failed> {
    let delete = "DELETE FROM message WHERE id = ANY($1::text[])";
    let delete = client.prepare_cached(delete).await?;
    let parameters: [&(dyn ToSql + Sync); 1] = [&ids];
    let ((), _) = tokio::try_join!(biased; client.batch_execute(BEGIN), client.execute(&delete, &parameters))?;
    client.batch_execute("COMMIT").await
}
