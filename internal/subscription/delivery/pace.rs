//! How many requests of one subscription are sent at once.

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// A rate is spread over the second in parts of this length, which timers can keep.
const PART: f64 = 0.01;

/// A lower rate than one request in this time, as SQL alone can write it, is this one: the limiter panics at some.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How many requests of one subscription are sent at once: 1 at first, one more after each success, 1 after a failure.
#[derive(Debug)]
pub(super) struct Pace {
    at_once: usize,
    in_flight: usize,
    /// Requests on their way for long.
    slow: usize,
    /// The last request failed.
    failing: bool,
    limiter: Option<DefaultDirectRateLimiter>,
}

impl Pace {
    pub(super) fn new(rate: Option<f64>) -> Self {
        Self {
            at_once: 1,
            in_flight: 0,
            slow: 0,
            failing: false,
            limiter: rate.and_then(limiter),
        }
    }

    /// Takes another rate after an edit.
    pub(super) fn limit(&mut self, rate: Option<f64>) {
        self.limiter = rate.and_then(limiter);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether its requests count as those of a slow or failing endpoint.
    pub(super) fn is_heavy(&self) -> bool {
        self.failing || self.slow > 0
    }

    /// Whether another request may begin, of at most `most`.
    pub(super) fn has_room(&self, most: usize) -> bool {
        // An endpoint that is slow now gets no more than it has.
        let at_once = if self.slow > 0 { 1 } else { self.at_once };
        self.in_flight < at_once.min(most).max(1)
    }

    /// Asks the rate. The error is the time until it allows another request.
    pub(super) fn take(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        limiter
            .check()
            .map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    pub(super) fn begin(&mut self) {
        self.in_flight += 1;
    }

    /// A request that had begun is not sent; `was_slow` as of [`Pace::slow_down`].
    pub(super) fn cancel(&mut self, was_slow: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.slow = self.slow.saturating_sub(usize::from(was_slow));
    }

    pub(super) fn slow_down(&mut self) {
        self.slow += 1;
    }

    /// A request has ended, of at most `parallel` at once; `was_slow` as of [`Pace::slow_down`].
    pub(super) fn end(&mut self, success: bool, was_slow: bool, parallel: usize) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.slow = self.slow.saturating_sub(usize::from(was_slow));
        self.failing = !success;
        self.at_once = if success {
            (self.at_once + 1).min(parallel.max(1))
        } else {
            1
        };
    }
}

fn limiter(rate: f64) -> Option<DefaultDirectRateLimiter> {
    if rate.is_nan() {
        return None;
    }
    let period = Duration::try_from_secs_f64(1.0 / rate).map_or(LONGEST, |period| period.min(LONGEST));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casts of floats saturate"
    )]
    let burst = NonZeroU32::new((rate * PART) as u32).unwrap_or(NonZeroU32::MIN);
    Some(RateLimiter::direct(Quota::with_period(period)?.allow_burst(burst)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_successes_and_a_failure_ends_that() {
        let mut pace = Pace::new(None);
        for expected in [1, 2, 3, 4, 4] {
            while pace.has_room(100) {
                pace.begin();
            }
            assert_eq!(pace.in_flight(), expected);
            pace.end(true, false, 4);
        }
        pace.end(false, false, 4);
        assert!(!pace.has_room(100) && pace.is_heavy());
        pace.end(false, false, 4);
        pace.end(false, false, 4);
        assert!(pace.has_room(100));
        pace.begin();
        assert!(!pace.has_room(100));
        pace.end(true, false, 4);
        assert!(!pace.is_heavy());
    }

    #[test]
    fn a_slow_endpoint_gets_no_more() {
        let mut pace = Pace::new(None);
        pace.begin();
        pace.end(true, false, 4);
        pace.begin();
        assert!(pace.has_room(100) && !pace.has_room(1));
        pace.slow_down();
        assert!(!pace.has_room(100) && pace.is_heavy());
        pace.end(true, true, 4);
        assert!(pace.has_room(100) && !pace.is_heavy());
    }

    #[test]
    fn a_rate_says_how_long_to_wait() {
        let year = 300 * 24 * 3600;
        for (rate, expected) in [
            (0.001, 900),
            (0.5, 1),
            (1e-9, year),
            (1e-12, year),
            (1e-300, year),
            (1e300, 0),
            (f64::NAN, 0),
        ] {
            let pace = Pace::new(Some(rate));
            assert_eq!(pace.take(), Ok(()), "{rate}");
            let wait = pace.take().err().unwrap_or_default();
            assert!(wait >= Duration::from_secs(expected), "{rate}: {wait:?}");
        }
    }
}
