//! Remembered looks at the clock, by which data is deleted for its age.
//!
//! A clock that jumps ahead for an hour must delete nothing. So ages are judged by an earlier look at the
//! clock, not by the clock itself:
//!
//! - A program looks at its clock before it deletes by age. It remembers one look an hour.
//! - Data goes if it was past its age at a remembered look that is at least 24 hours old. Without such a
//!   look nothing goes.
//! - A look later than the clock shows now was made while the clock was ahead: it is forgotten.
//! - A look of the same process counts only once its timer, which cannot be set, has also run for 24 hours.
//!   So a clock that jumps twice within an hour makes no day.
//! - A clock that is behind the release of this program cannot be right, and does not look.
//!
//! Months need no look where they were too old at the release already (`internal/archive/postgres/month.rs`).
//!
//! Between two runs of a program only the clock tells the time. A clock that is ahead at two looks a day
//! apart, and is not seen right in between, causes deletion.

use super::copy::Timestamptz;
use reading::time::{self, DAY, RELEASED};
use std::sync::LazyLock;
use std::time::Instant;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// Now, as the start of an age: the later of this machine's clock and the last look at the clock.
pub(crate) const PLAUSIBLE: &str = "greatest(now(), (SELECT max(at) FROM clock_look))";

/// The id of this process, and when its timer began.
static PROCESS: LazyLock<(Uuid, Instant)> = LazyLock::new(|| (Uuid::now_v7(), Instant::now()));

/// A look at the clock.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// What the clock shows, in microseconds since 1970.
    pub at: i64,
    /// The process that looks.
    pub process: Uuid,
    /// How long the process has run, in microseconds.
    pub running: i64,
}

impl Look {
    /// Looks at the clock now.
    pub fn now() -> Self {
        let (process, began) = *PROCESS;
        Self {
            at: time::now(),
            process,
            running: time::micros(began.elapsed()),
        }
    }

    /// Remembers this look; then returns [`Look::confirmed`].
    ///
    /// # Errors
    /// Where the database cannot do that now.
    pub async fn remember(&self, client: &Client) -> Result<Option<i64>, Error> {
        if self.at < RELEASED {
            return Ok(None);
        }
        let at = Timestamptz(self.at);
        client.execute("DELETE FROM clock_look WHERE at > $1", &[&at]).await?;
        let remember = "
            INSERT INTO clock_look (at, process, running) SELECT $1, $2, $3
            WHERE NOT EXISTS (SELECT FROM clock_look WHERE at > $1::timestamptz - interval '1 hour')
            ON CONFLICT DO NOTHING";
        client.execute(remember, &[&at, &self.process, &self.running]).await?;
        let confirmed = self.confirmed(client).await?;
        if let Some(confirmed) = confirmed {
            // A day more than this clock needs: another machine's clock may be behind it.
            let forget = "DELETE FROM clock_look WHERE at < $1";
            client.execute(forget, &[&Timestamptz(confirmed - DAY)]).await?;
        }
        Ok(confirmed)
    }

    /// The moment by which ages are judged, in microseconds since 1970. It is the latest remembered look that
    /// is a day old. None: nothing may be deleted yet. Changes nothing.
    pub async fn confirmed(&self, client: &Client) -> Result<Option<i64>, Error> {
        if self.at < RELEASED {
            return Ok(None);
        }
        let confirmed = "
            SELECT max(at) FROM clock_look
            WHERE at <= $1 AND (process <> $2 OR running <= $3)";
        let (before, run) = (Timestamptz(self.at - DAY), self.running - DAY);
        let row = client.query_one(confirmed, &[&before, &self.process, &run]).await?;
        Ok(row.try_get::<_, Option<Timestamptz>>(0)?.map(|Timestamptz(at)| at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HOUR: i64 = 3600 * time::SECOND;

    async fn database() -> (::postgres::Pool, testutil::Database) {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 2, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        (pool, database)
    }

    /// Checks looks: process, hours on its clock, hours that it has run, and the hour by which ages are
    /// judged.
    async fn check(looks: &[(u128, i64, i64, Option<i64>)]) {
        let (pool, _database) = database().await;
        let client = pool.get().await.unwrap();
        for (number, (process, at, running, expected)) in looks.iter().enumerate() {
            let look = Look {
                at: RELEASED + at * HOUR,
                process: Uuid::from_u128(*process),
                running: running * HOUR,
            };
            let found = look.remember(&client).await.unwrap();
            assert_eq!(
                found.map(|found| (found - RELEASED) / HOUR),
                *expected,
                "look {number} of {looks:?}"
            );
            assert_eq!(look.confirmed(&client).await.unwrap(), found, "look {number}");
        }
        let rows: i64 = client
            .query_one("SELECT count(*) FROM clock_look", &[])
            .await
            .unwrap()
            .get(0);
        assert!(rows < 60, "{rows}");
    }

    #[tokio::test]
    async fn a_day_later_ages_are_judged_by_the_look_before() {
        check(&[
            (1, 0, 0, None),
            (1, 23, 23, None),
            (1, 24, 24, Some(0)),
            (1, 30, 30, Some(0)),
            (1, 47, 47, Some(23)),
            // Another process, by the clock alone; and after a long sleep.
            (2, 60, 0, Some(30)),
            (3, 1000, 0, Some(60)),
            (3, 1010, 10, Some(60)),
        ])
        .await;
    }

    #[tokio::test]
    async fn a_clock_that_jumps_ahead_for_an_hour_confirms_nothing() {
        let year = 9000;
        check(&[
            (1, 0, 0, None),
            (1, 30, 30, Some(0)),
            // Ahead, and further ahead, within an hour.
            (1, year, 30, Some(0)),
            (1, year + 48, 31, Some(0)),
            (1, 32, 32, Some(0)),
            // A second jump finds nothing of the first.
            (1, year + 30, 33, Some(0)),
            (1, 34, 34, Some(0)),
            (1, 57, 57, Some(32)),
        ])
        .await;
    }

    #[tokio::test]
    async fn a_clock_that_is_ahead_for_a_day_is_believed() {
        check(&[(1, 0, 0, None), (2, 9000, 0, Some(0)), (3, 9024, 0, Some(9000))]).await;
    }

    #[tokio::test]
    async fn a_clock_that_was_never_set_does_not_look() {
        check(&[(1, 0, 0, None), (2, -100_000, 0, None), (3, 24, 0, Some(0))]).await;
    }

    #[tokio::test]
    async fn looks_are_few_however_often_a_clock_is_looked_at() {
        let looks: Vec<_> = (0..200_i64)
            .map(|hour| (hour.unsigned_abs().into(), hour, 0, (hour >= 24).then(|| hour - 24)))
            .collect();
        check(&looks).await;
    }
}
