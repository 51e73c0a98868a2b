//! Limits how much each key may take within a time.

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How much each key may take within a time. Forgets idle keys, since keys come and go with their file.
pub struct Rates {
    limiter: DefaultKeyedRateLimiter<Arc<str>>,
    asked: AtomicU64,
}

impl Rates {
    /// Allows each key `rate` a second.
    pub fn per_second(rate: NonZeroU32) -> Self {
        Self::new(governor::Quota::per_second(rate))
    }

    fn new(quota: governor::Quota) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota),
            asked: AtomicU64::new(0),
        }
    }

    /// Takes `amount` from the key's share. The error is the time until there may be room; `None` if there
    /// never is for so much at once.
    ///
    /// # Errors
    /// The wait.
    pub fn take(&self, key: &Arc<str>, amount: NonZeroU32) -> Result<(), Option<Duration>> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET == FORGET - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key_n(key, amount) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(Some(until.wait_time_from(DefaultClock::default().now()))),
            Err(_) => Err(None),
        }
    }
}

/// Calls after which idle keys are forgotten.
const FORGET: u64 = 4096;

/// The bytes of rejected lines that each key may still bring.
pub struct ByteQuota {
    rates: Rates,
    max: NonZeroU32,
}

impl ByteQuota {
    /// Allows each key `max` bytes at once, and as many again within an hour.
    pub fn new(max: u64) -> Self {
        let max = at_least_one(max);
        let quota = governor::Quota::with_period(HOUR / max.get())
            .unwrap_or(governor::Quota::per_second(max))
            .allow_burst(max);
        Self {
            rates: Rates::new(quota),
            max,
        }
    }

    /// Takes `bytes` from the key's share; the error is the time until there may be room.
    pub fn take(&self, key: &Arc<str>, bytes: u64) -> Result<(), Duration> {
        self.rates
            .take(key, at_least_one(bytes))
            .map_err(|wait| wait.unwrap_or(HOUR))
    }

    /// How long it takes until so many bytes have room again, at most an hour.
    pub fn wait_for(&self, bytes: u64) -> Duration {
        HOUR.saturating_mul(at_least_one(bytes).get())
            .min(HOUR.saturating_mul(self.max.get()))
            / self.max.get()
    }
}

/// Clamps a number for the rate limiter: from 1 to the greatest that fits.
fn at_least_one(number: u64) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_idle_keys_are_forgotten() {
        let rates = Rates::per_second(NonZeroU32::new(1_000_000).unwrap());
        for number in 0..3 * FORGET {
            let key: Arc<str> = number.to_string().into();
            assert_eq!(rates.take(&key, NonZeroU32::MIN), Ok(()));
        }
        let remembered = rates.limiter.len();
        assert!(remembered <= usize::try_from(FORGET).unwrap(), "{remembered}");
    }

    #[test]
    fn rejected_bytes_are_counted_by_key() {
        let quota = ByteQuota::new(1000);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!((quota.take(&a, 900), quota.take(&b, 1000)), (Ok(()), Ok(())));
        let wait = quota.take(&a, 200).unwrap_err();
        assert!(wait <= HOUR && wait > Duration::from_secs(60), "{wait:?}");
        assert_eq!(quota.take(&a, 5000), Err(HOUR));
        assert_eq!(quota.wait_for(500), HOUR / 2);
        assert_eq!(quota.wait_for(5000), HOUR);
    }
}
