//! What one client may take of an ingestor, each limit a flag.

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::{HashMap, HashSet};
use std::hash::RandomState;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The limits of an ingestor, as flags.
#[derive(clap::Args, Clone, Debug)]
pub struct Limits {
    /// Longest line; a longer one is rejected without being kept in memory
    #[arg(long, env, default_value = "64KiB", value_parser = service::bytes, value_name = "SIZE")]
    pub max_line: u64,

    /// Largest body, as it is sent; without it, any
    #[arg(long, env, value_parser = service::bytes, value_name = "SIZE")]
    pub max_body: Option<u64>,

    /// Longest pause within an upload (408)
    #[arg(long, env, default_value = "30s", value_parser = service::duration, value_name = "DURATION")]
    pub upload_idle_timeout: Duration,

    /// Longest upload (408)
    #[arg(long, env, default_value = "1h", value_parser = service::duration, value_name = "DURATION")]
    pub upload_timeout: Duration,

    /// Uploads at once (503)
    #[arg(long, env, default_value_t = 256, value_name = "NUMBER")]
    pub max_uploads: usize,

    /// Uploads at once with one key (429)
    #[arg(long, env, default_value_t = 128, value_name = "NUMBER")]
    pub max_uploads_per_key: usize,

    /// Uploads a second with one key (429); without it, any number
    #[arg(long, env, value_name = "NUMBER")]
    pub max_rate_per_key: Option<NonZeroU32>,

    /// Different series (device and sensor) taken since the start; new ones beyond are rejected
    #[arg(long, env, default_value_t = 100_000, value_name = "NUMBER")]
    pub max_series: usize,

    /// Oldest event time: earlier ones come from clocks that were never set
    #[arg(long, env, default_value = "2000-01-01T00:00:00Z", value_parser = moment, value_name = "TIME")]
    pub oldest: jiff::Timestamp,

    /// How far ahead of this machine's clock an event time may be
    #[arg(long, env, default_value = "24h", value_parser = service::duration, value_name = "DURATION")]
    pub max_future: Duration,
}

/// A moment, or a date: its first moment in UTC.
fn moment(text: &str) -> Result<jiff::Timestamp, String> {
    let date = || {
        Some(
            text.parse::<jiff::civil::Date>()
                .ok()?
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()?
                .timestamp(),
        )
    };
    text.parse()
        .ok()
        .or_else(date)
        .ok_or_else(|| "write a date such as 2000-01-01, or a time such as 2000-01-01T00:00:00Z".into())
}

/// The series seen since the start, as hashes: at eight bytes each they cost little, and one
/// mistaken for another only lets in a series too many.
pub struct Known {
    seen: Mutex<HashSet<u64>>,
    hasher: RandomState,
    max: usize,
}

impl Known {
    /// Lets in `max` series.
    pub fn new(max: usize) -> Self {
        Self {
            seen: Mutex::default(),
            hasher: RandomState::new(),
            max,
        }
    }

    /// What (device, sensor) is hashed by; it cannot be guessed from outside.
    pub fn hasher(&self) -> RandomState {
        self.hasher.clone()
    }

    /// Whether the series of this hash, by that hasher, is one of those let in.
    pub fn admit(&self, hash: u64) -> bool {
        let mut seen = lock(&self.seen);
        seen.contains(&hash) || (seen.len() < self.max && seen.insert(hash))
    }
}

/// Why an upload is not let in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// This key has sent too many; the next is let in after this long.
    KeyTooFast(Duration),
    /// This key has too many under way.
    KeyFull,
    /// Too many are under way.
    Full,
}

/// Lets uploads in, or not.
pub(super) struct Admission {
    under_way: Arc<Mutex<UnderWay>>,
    max: usize,
    max_per_key: usize,
    rate: Option<DefaultKeyedRateLimiter<Arc<str>>>,
    asked: AtomicU64,
}

/// After so many uploads the rates of keys that are idle are forgotten: keys come and go with
/// their file.
const FORGET: u64 = 4096;

#[derive(Default)]
struct UnderWay {
    all: usize,
    by_key: HashMap<Arc<str>, usize>,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            under_way: Arc::default(),
            max: limits.max_uploads,
            max_per_key: limits.max_uploads_per_key,
            rate: limits
                .max_rate_per_key
                .map(|rate| RateLimiter::keyed(Quota::per_second(rate))),
            asked: AtomicU64::new(0),
        }
    }

    /// A place for one upload, free again when it is dropped.
    pub(super) fn enter(&self, key: &Arc<str>) -> Result<Turn, Refusal> {
        if let Some(rate) = &self.rate {
            if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET == FORGET - 1 {
                rate.retain_recent();
            }
            if let Err(until) = rate.check_key(key) {
                return Err(Refusal::KeyTooFast(until.wait_time_from(DefaultClock::default().now())));
            }
        }
        let mut under_way = lock(&self.under_way);
        if under_way.all >= self.max {
            return Err(Refusal::Full);
        }
        let of_key = under_way.by_key.entry(key.clone()).or_default();
        if *of_key >= self.max_per_key {
            return Err(Refusal::KeyFull);
        }
        *of_key += 1;
        under_way.all += 1;
        Ok(Turn {
            key: key.clone(),
            under_way: self.under_way.clone(),
        })
    }
}

/// The place of one upload.
pub(super) struct Turn {
    key: Arc<str>,
    under_way: Arc<Mutex<UnderWay>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut under_way = lock(&self.under_way);
        under_way.all -= 1;
        if let Some(of_key) = under_way.by_key.get_mut(&self.key) {
            *of_key -= 1;
            if *of_key == 0 {
                under_way.by_key.remove(&self.key);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::hash::BuildHasher;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        limits: Limits,
    }

    fn limits(flags: &str) -> Limits {
        Flags::parse_from(std::iter::once("test").chain(flags.split_whitespace())).limits
    }

    #[test]
    fn places_are_given_and_given_back() {
        let admission = Admission::new(&limits("--max-uploads 3 --max-uploads-per-key 2"));
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let refusal = |key| admission.enter(key).map(drop).err();
        let first = admission.enter(&a).unwrap_or_else(|_| panic!("refused"));
        let _second = admission.enter(&a).unwrap_or_else(|_| panic!("refused"));
        assert_eq!(refusal(&a), Some(Refusal::KeyFull));
        let third = admission.enter(&b).unwrap_or_else(|_| panic!("refused"));
        assert_eq!(refusal(&b), Some(Refusal::Full));
        drop((first, third));
        assert_eq!((refusal(&a), refusal(&b)), (None, None));
    }

    #[test]
    fn the_rate_is_by_key() {
        let admission = Admission::new(&limits("--max-rate-per-key 2"));
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let entered = (0..3).filter(|_| admission.enter(&a).is_ok()).count();
        assert_eq!((entered, admission.enter(&b).is_ok()), (2, true));
    }

    #[test]
    fn rates_of_idle_keys_are_forgotten() {
        let admission = Admission::new(&limits("--max-rate-per-key 1000000"));
        for number in 0..3 * FORGET {
            let key: Arc<str> = number.to_string().into();
            assert!(admission.enter(&key).is_ok());
        }
        let remembered = admission.rate.as_ref().map(RateLimiter::len).unwrap();
        assert!(remembered <= usize::try_from(FORGET).unwrap(), "{remembered}");
    }

    #[test]
    fn series_beyond_the_limit_stay_out() {
        let known = Known::new(2);
        let admit = |sensor| known.admit(known.hasher().hash_one(("d", sensor)));
        assert!(admit("a") && admit("b") && !admit("c") && admit("a"));
    }

    #[test]
    fn times_as_flags() {
        assert_eq!(
            limits("--oldest 1990-05-01").oldest,
            limits("--oldest 1990-05-01T00:00:00Z").oldest
        );
    }
}
