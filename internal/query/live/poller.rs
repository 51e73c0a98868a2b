//! The task that looks for changes, while there are listeners.

use super::hub::Hub;
use super::metrics::Metrics;
use super::postgres::{Look, Session};
use ::postgres::{Error, Pool};
use repeat::{LogLimit, Pauses};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// Least time between two looks at the database.
const LEAST: Duration = Duration::from_millis(250);

/// The same, as a multiple of how long the last look took: a slow database is asked less often.
const SHARE: u32 = 4;

/// Longest time between two looks at a slow database.
const LONGEST: Duration = Duration::from_secs(5);

/// Time between two looks where commits of this process wake the task.
const UNLESS_WOKEN: Duration = Duration::from_secs(1);

/// Warnings of a database that does not answer.
static WARNINGS: LogLimit = LogLimit::every(Duration::from_secs(60));

/// Looks for changes, while there are listeners.
pub(super) struct Poller {
    pub(super) pool: Pool,
    pub(super) hub: Arc<Hub>,
    pub(super) committed: Option<Arc<Notify>>,
    pub(super) metrics: Metrics,
}

impl Poller {
    /// Works without an end. What fails is tried again; listeners keep their connections meanwhile.
    pub(super) async fn run(self) -> Result<(), Infallible> {
        let mut pauses = Pauses::outage();
        loop {
            self.hub.wanted().await;
            if let Err(error) = self.follow(&mut pauses).await {
                if WARNINGS.allows("live") {
                    tracing::warn!(error = %Chain(&error), "cannot look for changes; trying again");
                }
                sleep(pauses.grow()).await;
            }
        }
    }

    /// Follows the database until the last listener leaves.
    async fn follow(&self, pauses: &mut Pauses) -> Result<(), Error> {
        let mut session = Session::open(&self.pool).await?;
        loop {
            let loaded = session.load(self.hub.position().as_ref()).await?;
            let mut position = loaded.position.clone();
            self.hub.begin(loaded.position, loaded.latest, loaded.news);
            pauses.reset();
            let mut took = Duration::ZERO;
            loop {
                self.pause(took).await;
                if self.hub.release() {
                    return Ok(());
                }
                let begun = Instant::now();
                self.metrics.polls.inc();
                match session.look(&position).await? {
                    Look::Changes(next, events) => {
                        position = next.clone();
                        self.hub.add(next, events);
                    }
                    Look::TooMuch => break,
                }
                took = begun.elapsed();
            }
        }
    }

    async fn pause(&self, took: Duration) {
        let least = (took * SHARE).clamp(LEAST, LONGEST);
        sleep(least).await;
        if let Some(committed) = &self.committed {
            // Other processes may write as well.
            let rest = UNLESS_WOKEN.saturating_sub(least);
            let _woken = timeout(rest, committed.notified()).await;
        }
    }
}

/// An error and its sources on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
