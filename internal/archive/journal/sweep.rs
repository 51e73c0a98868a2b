//! Brings every day's journal up to date.

use super::commit::commit;
use super::files::{self, File};
use super::outcome::Outcome;
use crate::stale::Unanswered;
use crate::{Day, Dumper, Swept, postgres};
use anyhow::bail;
use tokio_util::sync::CancellationToken;

impl Dumper {
    /// Dumps a day's journal, unless its dump is up to date, and deletes former dumps of it. A day that never had an
    /// entry gets none.
    ///
    /// # Errors
    /// Where the database or the store fails. Retrying is always safe.
    pub async fn dump_journal(&self, day: Day) -> anyhow::Result<Outcome> {
        let files = files::list(&self.store, Some(day)).await?;
        self.journal(day, files.get(&day).map(Vec::as_slice).unwrap_or_default())
            .await
    }

    /// Dumps the journal of every day up to and including `until` whose dump is stale or missing, oldest first, one
    /// after the other. A failed day does not hold up the others. It begins no day after `stop`.
    ///
    /// # Errors
    /// Where the days cannot be listed, the database or the store stops answering, or `stop` came first. Finished
    /// dumps stay.
    pub async fn dump_stale_journal(&self, until: Day, stop: &CancellationToken) -> anyhow::Result<Swept> {
        let mut files = files::list(&self.store, None).await?;
        let mut swept = Swept::default();
        let mut unanswered = Unanswered::default();
        // Posts are of no day before.
        let mut from = Day::of(jiff::Timestamp::UNIX_EPOCH);
        while let Some(day) = postgres::day_with_entries(&self.pool, from, until).await? {
            if stop.is_cancelled() {
                bail!("a signal came before the journal of {day} was checked; run it again");
            }
            let files = files.remove(&day).unwrap_or_default();
            match self.journal(day, &files).await {
                Ok(outcome) => {
                    match outcome {
                        Outcome::Written(_) => swept.dumped += 1,
                        Outcome::Unchanged(_) | Outcome::Nothing => swept.current += 1,
                    }
                    unanswered.answered();
                }
                Err(error) => {
                    swept.failed += 1;
                    tracing::error!(%day, error = format!("{error:#}"), "could not dump the day's journal; going on with the others");
                    unanswered.failed(day, &error)?;
                }
            }
            if day >= until {
                break;
            }
            from = day.next();
        }
        tracing::info!(
            dumped = swept.dumped,
            current = swept.current,
            failed = swept.failed,
            "the journal of all days was checked"
        );
        Ok(swept)
    }

    async fn journal(&self, day: Day, files: &[File]) -> anyhow::Result<Outcome> {
        let outcome = commit(&self.store, &self.pool, day, files).await?;
        if let Outcome::Written(manifest) = &outcome {
            tracing::info!(%day, file = manifest.file, entries = manifest.entries, bytes = manifest.bytes, "dumped the day's journal");
        }
        Ok(outcome)
    }
}
