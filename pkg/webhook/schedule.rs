//! When a delivery that failed is tried again.

use std::time::Duration;

/// The longest wait that an endpoint may ask for.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest wait that an endpoint may ask for, where the plan has none.
const SHORTEST: Duration = Duration::from_secs(1);
/// How far a wait may be from its plan, either way.
const SPREAD: f64 = 0.2;

/// The waits before the tries of one delivery. Each is spread by up to 20 % either way, so that deliveries
/// that failed together are not tried again together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Schedule {
    /// Takes the wait before each try, the first one's too. There are as many tries as waits.
    #[must_use]
    pub fn new(waits: Vec<Duration>) -> Self {
        Self(waits)
    }

    /// How many tries there are.
    #[must_use]
    pub fn tries(&self) -> usize {
        self.0.len()
    }

    /// The wait after so many tries, spread at random. None after the last: the delivery is dead.
    ///
    /// What the endpoint asked for (`Retry-After`) makes the wait longer, up to a day. It adds no try and makes no wait
    /// shorter: an endpoint that asks for a second, and fails for a minute, would use up all tries.
    #[must_use]
    pub fn wait(&self, tries: usize, asked: Option<Duration>) -> Option<Duration> {
        self.wait_at(tries, asked, fastrand::f64())
    }

    /// The same with a random part of the caller's, from 0 (20 % shorter) to 1 (20 % longer).
    #[must_use]
    pub fn wait_at(&self, tries: usize, asked: Option<Duration>, part: f64) -> Option<Duration> {
        let planned = self.0.get(tries)?;
        let spread = planned.as_secs_f64() * (1.0 + SPREAD * (2.0 * part.clamp(0.0, 1.0) - 1.0));
        // A wait too long to be spread, or a part that is no number.
        let wait = Duration::try_from_secs_f64(spread).unwrap_or(*planned);
        Some(asked.map_or(wait, |asked| wait.max(asked.clamp(SHORTEST, DAY))))
    }
}

impl Default for Schedule {
    /// Ten tries within 28 hours: after 0, 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h, 10 h and 10 h.
    fn default() -> Self {
        let seconds = [0, 5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 36_000];
        Self(seconds.map(Duration::from_secs).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_the_plan_and_are_spread() {
        let schedule = Schedule::default();
        assert_eq!(schedule.tries(), 10);
        let planned = [0, 5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 36_000];
        for (tries, seconds) in planned.into_iter().enumerate() {
            let wait = Duration::from_secs(seconds);
            for (part, expected) in [
                (0.0, wait * 8 / 10),
                (0.5, wait),
                (1.0, wait * 12 / 10),
                (7.0, wait * 12 / 10),
                (-7.0, wait * 8 / 10),
                (f64::NAN, wait),
            ] {
                let found = schedule.wait_at(tries, None, part).unwrap();
                assert!(found.abs_diff(expected) < Duration::from_millis(1), "{tries} {part}");
            }
            for _ in 0..100 {
                let found = schedule.wait(tries, None).unwrap();
                assert!(found >= wait * 8 / 10 && found <= wait * 12 / 10, "{tries}: {found:?}");
            }
        }
        assert_eq!(schedule.wait(10, None), None);
        assert_eq!(schedule.wait(usize::MAX, None), None);
    }

    #[test]
    fn what_an_endpoint_asks_for_makes_a_wait_longer() {
        let schedule = Schedule::default();
        let hours = 36_000;
        for (tries, asked, expected) in [
            (0, 0, 1),
            (0, 90, 90),
            (1, 1, 5),
            (1, 90, 90),
            (8, 0, hours),
            (8, 90, hours),
            (8, 86_400, 86_400),
            (8, u64::MAX, 86_400),
        ] {
            let asked = Some(Duration::from_secs(asked));
            let found = schedule.wait_at(tries, asked, 0.5).unwrap();
            assert!(
                found.abs_diff(Duration::from_secs(expected)) < Duration::from_millis(1),
                "{tries} {asked:?}: {found:?}"
            );
            assert_eq!(schedule.wait(10, asked), None, "it adds no try");
        }
    }

    #[test]
    fn extreme_waits_do_not_panic() {
        let schedule = Schedule::new(vec![Duration::MAX, Duration::ZERO]);
        assert_eq!(schedule.wait_at(0, None, 1.0), Some(Duration::MAX));
        assert_eq!(schedule.wait_at(1, None, 1.0), Some(Duration::ZERO));
        assert_eq!(Schedule::new(Vec::new()).wait(0, None), None);
    }
}
