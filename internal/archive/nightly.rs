//! Dumps every day once it is over, and late data with it, in a program that runs for months.

use super::{Day, Dumper, Month, Retention};
use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use repeat::Pauses;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Start after midnight UTC, so that the first dump has the readings under way at midnight.
const AFTER_MIDNIGHT: SignedDuration = SignedDuration::from_mins(10);

/// How often to check the clock. A single timer would oversleep while the machine is suspended, and would not
/// notice that the clock is set.
const CHECK_INTERVAL: Duration = Duration::from_secs(120);

/// Most days to make up for after a long sleep or a jump of the clock.
const MAKE_UP: usize = 31;

/// How long to wait after a first failure; after further ones up to [`CHECK_INTERVAL`].
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Pause after a sweep of all days in which some failed.
const SWEEP_RETRY_DELAY: Duration = Duration::from_secs(3600);

/// Dumps yesterday unless its dump is up to date, then every day ten minutes after its end, until `stop`.
/// Logs failures and retries without end; one day does not hold up another.
///
/// Every night, and at the start, it then dumps the days that late data has made stale. After that, it drops
/// months older than the retention from the database.
pub async fn nightly(dumper: Dumper, retention: Option<Retention>, stop: CancellationToken) {
    let mut due = Due::default();
    let mut pauses = Pauses::between(FIRST_RETRY_DELAY, CHECK_INTERVAL);
    // The last day up to which all were brought up to date, and when to do that again.
    let mut swept = None;
    let mut sweep_at = Instant::now();
    loop {
        let mut failed = false;
        for day in due.at(Timestamp::now()) {
            tokio::select! {
                biased;
                // A half-written dump is not in force, and the next start dumps the day again.
                () = stop.cancelled() => return,
                dumped = dumper.dump(day) => match dumped {
                    Ok(_) => due.done(day),
                    Err(error) => {
                        tracing::warn!(%day, error = format!("{error:#}"), "could not dump the day; trying again");
                        failed = true;
                    }
                },
            }
        }
        if let Some(latest) = due.latest.filter(|latest| swept != Some(*latest))
            && sweep_at <= Instant::now()
        {
            let night = night(&dumper, latest, retention, &stop);
            match stop.run_until_cancelled(night).await {
                None => return,
                Some(Ok(())) => swept = Some(latest),
                Some(Err(error)) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "could not bring all days up to date; trying again within the hour"
                    );
                    sweep_at = Instant::now() + SWEEP_RETRY_DELAY;
                }
            }
        }
        let pause = if failed {
            pauses.grow()
        } else {
            pauses.reset();
            CHECK_INTERVAL
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn night(
    dumper: &Dumper,
    until: Day,
    retention: Option<Retention>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let swept = dumper.dump_stale(until, stop).await?;
    if let Some(retention) = retention {
        let retained = dumper.retain(retention, false, Month::log);
        retained
            .await
            .context("drop the months that are older than the retention")?;
    }
    anyhow::ensure!(swept.failed == 0, "{} days could not be dumped", swept.failed);
    Ok(())
}

/// The days that are over and not dumped.
#[derive(Debug, Default)]
struct Due {
    /// The latest day that was due.
    latest: Option<Day>,
    days: BTreeSet<Day>,
}

impl Due {
    /// Returns the days to dump at this moment.
    fn at(&mut self, now: Timestamp) -> Vec<Day> {
        let today = Day::before(now.saturating_sub(AFTER_MIDNIGHT).unwrap_or(now));
        match self.latest {
            Some(latest) if latest == today => {}
            // Later than before: all days since. After a far jump of the clock, it must not dump years.
            Some(latest) if latest < today => {
                let since = std::iter::successors(Some(today), |day| Some(day.previous()));
                self.days.extend(since.take(MAKE_UP).take_while(|day| *day > latest));
            }
            // The first check; or the clock was set back, and its earlier time is void.
            _ => self.days = BTreeSet::from([today]),
        }
        self.latest = Some(today);
        while self.days.len() > MAKE_UP {
            self.days.pop_first();
        }
        self.days.iter().copied().collect()
    }

    fn done(&mut self, day: Day) {
        self.days.remove(&day);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that these days are due at each moment; those after the bar then succeed.
    fn check(steps: &[(&str, &[&str], &[&str])]) {
        let mut due = Due::default();
        for (moment, expected, dumped) in steps {
            let days: Vec<_> = due
                .at(moment.parse().unwrap())
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(days, *expected, "at {moment}");
            for day in *dumped {
                due.done(day.parse().unwrap());
            }
        }
    }

    #[test]
    fn every_day_is_due_once_ten_minutes_after_its_end() {
        check(&[
            ("2017-06-03T12:00:00Z", &["2017-06-02"], &["2017-06-02"]),
            ("2017-06-03T23:59:59Z", &[], &[]),
            ("2017-06-04T00:09:59Z", &[], &[]),
            ("2017-06-04T00:10:00Z", &["2017-06-03"], &["2017-06-03"]),
            ("2017-06-04T00:12:00Z", &[], &[]),
            ("2017-06-05T00:10:01Z", &["2017-06-04"], &[]),
        ]);
    }

    #[test]
    fn a_start_before_ten_past_midnight_dumps_the_day_that_is_surely_over() {
        check(&[
            ("2017-06-03T00:05:00Z", &["2017-06-01"], &["2017-06-01"]),
            ("2017-06-03T00:11:00Z", &["2017-06-02"], &[]),
        ]);
    }

    #[test]
    fn nights_slept_through_are_made_up_for() {
        check(&[
            ("2017-06-03T12:00:00Z", &["2017-06-02"], &["2017-06-02"]),
            (
                "2017-06-06T08:00:00Z",
                &["2017-06-03", "2017-06-04", "2017-06-05"],
                &["2017-06-03", "2017-06-04", "2017-06-05"],
            ),
        ]);
    }

    #[test]
    fn a_day_that_fails_stays_due_beside_the_next() {
        check(&[
            ("2017-06-03T12:00:00Z", &["2017-06-02"], &[]),
            ("2017-06-04T12:00:00Z", &["2017-06-02", "2017-06-03"], &["2017-06-03"]),
            ("2017-06-04T12:02:00Z", &["2017-06-02"], &["2017-06-02"]),
            ("2017-06-04T12:04:00Z", &[], &[]),
        ]);
    }

    #[test]
    fn a_clock_that_leaps_forward_and_back_skips_no_day_and_dumps_no_years() {
        let mut due = Due::default();
        due.at("2017-06-03T12:00:00Z".parse().unwrap());
        let days = due.at("2037-06-03T12:00:00Z".parse().unwrap());
        assert_eq!(days.len(), MAKE_UP);
        assert_eq!(
            due.at("2017-06-03T12:10:00Z".parse().unwrap()),
            ["2017-06-02".parse().unwrap()]
        );
        due.done("2017-06-02".parse().unwrap());
        assert_eq!(
            due.at("2017-06-04T12:00:00Z".parse().unwrap()),
            ["2017-06-03".parse().unwrap()]
        );
    }
}
