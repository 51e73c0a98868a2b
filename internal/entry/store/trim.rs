//! Drops what subscribers were told once it is past its time, where no notifier does.

use super::Store;
use ::postgres::Error;
use ::store::{days_before, drop_partition};
use reading::time;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Between two looks for the tables.
const SOON: Duration = Duration::from_secs(10);

/// Since when a notifier that works has held its lease: one that is started anew is not away.
const AWAY: &str = "1 day";

impl Store {
    /// Drops days of messages after `kept`, until `stop`.
    pub(crate) async fn trim(&self, kept: Duration, stop: CancellationToken) {
        let working = async {
            // At the start, the tables may be missing, or be those of before.
            while !matches!(self.is_prepared().await, Ok(true)) {
                sleep(SOON).await;
            }
            loop {
                if let Err(error) = self.trim_once(time::micros(kept)).await {
                    tracing::warn!(%error, "cannot drop old messages to subscribers; trying again in an hour");
                }
                sleep(INTERVAL).await;
            }
        };
        stop.run_until_cancelled(working).await;
    }

    async fn is_prepared(&self) -> Result<bool, Error> {
        let select = "SELECT to_regproc('is_journals_day') IS NOT NULL";
        Ok(self.pool.get().await?.query_one(select, &[]).await?.try_get(0)?)
    }

    /// Looks at the clock each time, so that a clock that jumps drops nothing.
    async fn trim_once(&self, kept: i64) -> Result<(), Error> {
        match ::store::Store::new(self.pool.clone()).look_at_clock().await? {
            Some(confirmed) => self.drop_told(confirmed - kept).await,
            None => Ok(()),
        }
    }

    /// Drops days of messages that ended before a time (microseconds since 1970), unless a notifier works: it keeps them as
    /// long as it was told. Days with messages of others stay, for it may come back.
    pub(crate) async fn drop_told(&self, before: i64) -> Result<(), Error> {
        let mut client = self.pool.get().await?;
        let works = format!("SELECT EXISTS (SELECT FROM evaluator WHERE until > now() - interval '{AWAY}')");
        if client.query_one(&works, &[]).await?.try_get(0)? {
            return Ok(());
        }
        for name in days_before(&client, "published", before).await? {
            let is_journals = "SELECT is_journals_day($1)";
            if client.query_one(is_journals, &[&name]).await?.try_get(0)? {
                drop_partition(&mut client, "published", &name).await?;
            }
        }
        Ok(())
    }
}
