//! Removes what is past its time: whole epochs.

use super::epoch::DUE;
use super::session::{alone, is_locked};
use super::{CLEANS, Store, is_passing};
use ::postgres::{Error, Timer};
use std::time::Duration;
use tokio::time::sleep;
use tokio_postgres::{Client, Error as Failed};

/// Between two tries to drop an epoch that is in use.
const PAUSE: Duration = Duration::from_millis(100);

/// Tries to drop an epoch before it is left for the next time.
const TRIES: usize = 2;

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) epochs: i64,
    /// As the server estimates it.
    pub(crate) messages: i64,
    pub(crate) bytes: i64,
}

impl Store {
    /// Drops every epoch that is wholly past its time, or closed and empty. Returns how many messages went.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn clean(&self) -> Result<u64, Error> {
        let mut connection = self.pool.get().await?;
        let client: &mut Client = &mut connection;
        let (mut gone, mut failed) = (0, None);
        let select = "SELECT number, closed + retention <= clock_timestamp() FROM epoch WHERE closed IS NOT NULL ORDER BY number";
        let rows = client.query(select, &[]).await?;
        let closed: Vec<(i32, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        for (number, is_due) in closed {
            // Most epochs are to stay, which is known without a transaction and its locks.
            if !is_due {
                match is_empty(client, number).await {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(error) => {
                        failed.get_or_insert(error);
                        continue;
                    }
                }
            }
            for _ in 0..TRIES {
                let _timer = Timer::of("drop_epoch");
                match drop_epoch(client, number).await {
                    Ok(count) => {
                        gone += count;
                        break;
                    }
                    Err(error) if is_locked(&error) => sleep(PAUSE).await,
                    Err(error) => {
                        // The others go all the same.
                        failed.get_or_insert(error);
                        break;
                    }
                }
            }
        }
        failed.map_or(Ok(gone), |error| Err(error.into()))
    }

    /// Opens the next epoch if the open one is due and holds a message.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn roll_if_due(&self) -> Result<(), Error> {
        // Also one whose messages were all deleted: they still fill the disk.
        let select = format!(
            "SELECT number FROM epoch WHERE closed IS NULL AND {DUE} AND pg_relation_size('message_' || number) > 0"
        );
        let due = self.pool.get().await?.query_opt(&select, &[]).await?;
        match due {
            Some(row) => self.roll(Some(row.try_get(0)?)).await,
            None => Ok(()),
        }
    }

    /// How much is stored.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn size(&self) -> Result<Size, Error> {
        let select = "SELECT count(*), coalesce(sum(n_live_tup), 0)::int8, coalesce(sum(pg_total_relation_size(inhrelid)), 0)::int8
            FROM pg_inherits LEFT JOIN pg_stat_user_tables ON relid = inhrelid WHERE inhparent = 'message'::regclass";
        let row = self.pool.get().await?.query_one(select, &[]).await?;
        Ok(Size {
            epochs: row.try_get(0)?,
            messages: row.try_get(1)?,
            bytes: row.try_get(2)?,
        })
    }
}

/// Whether an epoch holds no message; of one that another server drops at this moment, it is not known.
async fn is_empty(client: &Client, number: i32) -> Result<bool, Failed> {
    let select = format!("SELECT NOT EXISTS (SELECT FROM message_{number})");
    match client.query_one(&select, &[]).await {
        Ok(row) => row.try_get(0),
        Err(error) if is_passing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Drops a closed epoch if it is due. Returns how many messages went with it.
async fn drop_epoch(client: &mut Client, number: i32) -> Result<u64, Failed> {
    let transaction = alone(client, CLEANS).await?;
    // Counting a large epoch takes longer than other statements may.
    transaction.batch_execute("SET LOCAL statement_timeout = '1h'").await?;
    let due = "SELECT closed + retention <= clock_timestamp() FROM epoch WHERE number = $1 AND closed IS NOT NULL";
    // Another server may have dropped it meanwhile.
    let Some(row) = transaction.query_opt(due, &[&number]).await? else {
        return Ok(0);
    };
    if !row.try_get::<_, bool>(0)? && !is_empty(transaction.client(), number).await? {
        return Ok(0);
    }
    // A long reader, such as a backup, keeps the epoch from going. Then it is not counted in vain.
    let try_lock =
        format!("SAVEPOINT before; LOCK TABLE message_{number} IN ACCESS EXCLUSIVE MODE; ROLLBACK TO before");
    transaction.batch_execute(&try_lock).await?;
    let count = format!("SELECT count(*) FROM message_{number}");
    let count: i64 = transaction.query_one(&count, &[]).await?.try_get(0)?;
    let drop = "SELECT drop_partition('message'::regclass, 'message_' || $1::int)";
    transaction.query_one(drop, &[&number]).await?;
    transaction
        .execute("DELETE FROM epoch WHERE number = $1", &[&number])
        .await?;
    transaction.commit().await?;
    tracing::info!(
        epoch = number,
        messages = count,
        "removed an epoch that is past its time"
    );
    Ok(u64::try_from(count).unwrap_or_default())
}
