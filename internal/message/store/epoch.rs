//! Epochs: which one is open, and opening the next.

use super::session::{alone, is_locked};
use super::{PUTS, Store};
use ::postgres::{Error, Timer};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::sleep;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Between two tries to roll, while puts are under way.
const PAUSE: Duration = Duration::from_millis(50);

/// Tries to roll: some ten seconds. A put whose server has stopped may keep its lock for longer.
const TRIES: usize = 22;

/// Whether the open epoch is older than a seventh of its retention, or was opened so far ahead that the clock was set back
/// since: it would be open, and fill the disk, until the clock is there again.
pub(super) const DUE: &str =
    "(clock_timestamp() >= opened + retention / 7 OR clock_timestamp() + retention / 7 < opened)";

/// The open epoch; none before the first. `is_due`: see [`DUE`]; or it keeps its messages for less than this time in
/// seconds: another server opened it, and this one promises more.
pub(super) static OPEN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT number, clock_timestamp(), {DUE} OR retention < make_interval(secs => $1::float8) AS is_due
         FROM epoch WHERE closed IS NULL"
    )
});

/// Closes the open epoch, at the end of its time at the earliest: each message in it was received before. So it is kept
/// until the last of them is past its time, also where it is closed early or the clock was set back.
const CLOSE: &str =
    "UPDATE epoch SET closed = greatest(clock_timestamp(), opened + retention / 7) WHERE closed IS NULL";

impl Store {
    /// Opens the next epoch, unless another one than `open` is open by now. Waits for puts under way.
    ///
    /// # Errors
    /// Those of the database, and that a put does not end.
    pub(crate) async fn roll(&self, open: Option<i32>) -> Result<(), Error> {
        for _ in 0..TRIES {
            let mut connection = self.pool.get().await?;
            let client: &mut Client = &mut connection;
            let select = "SELECT coalesce(max(number), 0) + 1 FROM epoch";
            let next: i32 = client.query_one(select, &[]).await?.try_get(0)?;
            // Before the lock, and committed: puts do not wait for it.
            let (name, from, to) = (
                format!("message_{next}"),
                next.to_string(),
                (i64::from(next) + 1).to_string(),
            );
            store::make_partition(client, "message", &name, &from, &to).await?;
            let _timer = Timer::of("roll_epoch");
            match self.close(client, open, next).await {
                Ok(opened) => {
                    if opened {
                        tracing::info!(epoch = next, retention = ?self.retention, "opened an epoch");
                    }
                    return Ok(());
                }
                Err(error) if is_locked(&error) => {}
                // Another server opened the same one.
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            drop(connection);
            sleep(PAUSE).await;
        }
        Err(Error::Unavailable(
            "the next epoch cannot be opened: a put does not end".into(),
        ))
    }

    async fn close(&self, client: &mut Client, open: Option<i32>, next: i32) -> Result<bool, tokio_postgres::Error> {
        let transaction = alone(client, PUTS).await?;
        let select = "SELECT number FROM epoch WHERE closed IS NULL";
        let now_open = transaction.query_opt(select, &[]).await?;
        let now_open: Option<i32> = now_open.map(|row| row.try_get(0)).transpose()?;
        if now_open != open {
            return Ok(false);
        }
        transaction.execute(CLOSE, &[]).await?;
        let insert = "INSERT INTO epoch (number, opened, retention)
            VALUES ($1, clock_timestamp(), make_interval(secs => $2::float8))";
        transaction
            .execute(insert, &[&next, &self.retention.as_secs_f64()])
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Opens the first epoch, and the next one where the open one keeps its messages for another time than this store.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn open(&self) -> Result<(), Error> {
        let select = "SELECT number, retention = make_interval(secs => $1::float8) FROM epoch WHERE closed IS NULL";
        let row = self
            .pool
            .get()
            .await?
            .query_opt(select, &[&self.retention.as_secs_f64()])
            .await?;
        let open = row
            .map(|row| Ok::<_, Error>((row.try_get(0)?, row.try_get(1)?)))
            .transpose()?;
        match open {
            Some((_, true)) => Ok(()),
            Some((number, false)) => self.roll(Some(number)).await,
            None => self.roll(None).await,
        }
    }
}
