//! What one client may take of an ingestor, each limit a flag.

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use std::collections::{HashMap, HashSet};
use std::hash::RandomState;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The limits of an ingestor, as flags.
#[derive(clap::Args, Clone, Debug)]
pub struct Limits {
    /// Longest reading, and longest line that holds none; a longer one is rejected without being kept in memory
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

    /// Different series (device and sensor) that one key may bring since the start (429), and a tenth of what all keys
    /// may (503): readings of others are deferred
    #[arg(long, env, default_value_t = 100_000, value_name = "NUMBER")]
    pub max_series: usize,

    /// Bytes of rejected lines that one key may bring in an hour (429)
    #[arg(long, env, default_value = "64MiB", value_parser = service::bytes, value_name = "SIZE")]
    pub max_rejected_per_key: u64,

    /// Oldest event time: earlier ones come from clocks that were never set, which begin in 1970, 1980 or 2000
    #[arg(long, env, default_value = "2001-01-01T00:00:00Z", value_parser = moment, value_name = "TIME")]
    pub oldest: jiff::Timestamp,

    /// How far ahead of this machine's clock an event time may be
    #[arg(long, env, default_value = "24h", value_parser = service::duration, value_name = "DURATION")]
    pub max_future: Duration,

    /// Judge by this machine's clock although it is behind the release of this program, the event bus
    /// or the newest receipt; without it, uploads wait (503) until the clock is set
    #[arg(long, env)]
    pub trust_clock: bool,
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

/// All keys together may bring so many times the series that one may.
const KEYS: usize = 10;

/// The series that each key has brought since the start, as hashes: at eight bytes each they cost
/// little, and one mistaken for another only lets in a series too many.
pub struct Known {
    seen: Mutex<Seen>,
    hasher: RandomState,
    max: usize,
}

#[derive(Default)]
struct Seen {
    by_key: HashMap<Arc<str>, HashSet<u64>>,
    all: usize,
}

/// Why a series has no room: a matter of capacity, and no verdict on its readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The share of the key is full.
    Key,
    /// All keys together have brought as many as there may be.
    All,
}

impl Known {
    /// Lets in `max` series of each key, and ten times as many in all.
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

    /// Lets in the series of this hash, by that hasher, or tells why not.
    ///
    /// # Errors
    /// Where there is no room for a series that this key has not brought before.
    pub fn admit(&self, key: &Arc<str>, hash: u64) -> Result<(), NoRoom> {
        let mut seen = lock(&self.seen);
        let Seen { by_key, all } = &mut *seen;
        let of_key = by_key.entry(key.clone()).or_default();
        if of_key.contains(&hash) {
            return Ok(());
        }
        if of_key.len() >= self.max {
            return Err(NoRoom::Key);
        }
        if *all >= self.max.saturating_mul(KEYS) {
            return Err(NoRoom::All);
        }
        of_key.insert(hash);
        *all += 1;
        Ok(())
    }
}

/// How much each key may take within a time. Forgets keys that are idle: they come and go with
/// their file.
struct Rates {
    limiter: DefaultKeyedRateLimiter<Arc<str>>,
    asked: AtomicU64,
}

impl Rates {
    fn new(quota: governor::Quota) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota),
            asked: AtomicU64::new(0),
        }
    }

    /// Takes so much of the key's, or tells after how long there may be room again; `None` where
    /// there never is for so much at once.
    fn take(&self, key: &Arc<str>, amount: NonZeroU32) -> Result<(), Option<Duration>> {
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

/// After so many questions the rates of keys that are idle are forgotten.
const FORGET: u64 = 4096;

/// The bytes of rejected lines that each key may still bring.
pub(super) struct Quota(Rates);

impl Quota {
    /// Each key may bring `max` bytes at once, and as many again within an hour.
    pub(super) fn new(max: u64) -> Self {
        let max = at_least_one(max);
        let quota = governor::Quota::with_period(HOUR / max.get())
            .unwrap_or(governor::Quota::per_second(max))
            .allow_burst(max);
        Self(Rates::new(quota))
    }

    /// Takes so many bytes of the key's, or tells after how long there may be room again.
    pub(super) fn take(&self, key: &Arc<str>, bytes: u64) -> Result<(), Duration> {
        self.0
            .take(key, at_least_one(bytes))
            .map_err(|wait| wait.unwrap_or(HOUR))
    }
}

/// As a rate limiter counts: at least one, and no more than fits.
fn at_least_one(number: u64) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

const HOUR: Duration = Duration::from_secs(3600);

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
    rate: Option<Rates>,
}

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
                .map(|rate| Rates::new(governor::Quota::per_second(rate))),
        }
    }

    /// A place for one upload, free again when it is dropped.
    pub(super) fn enter(&self, key: &Arc<str>) -> Result<Turn, Refusal> {
        if let Some(rate) = &self.rate {
            // One upload fits into any rate.
            rate.take(key, NonZeroU32::MIN)
                .map_err(|wait| Refusal::KeyTooFast(wait.unwrap_or_default()))?;
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
        let remembered = admission.rate.as_ref().map(|rate| rate.limiter.len()).unwrap();
        assert!(remembered <= usize::try_from(FORGET).unwrap(), "{remembered}");
    }

    #[test]
    fn one_key_s_series_do_not_lock_out_another_s() {
        let known = Known::new(2);
        let keys: Vec<Arc<str>> = (0..12).map(|key| key.to_string().into()).collect();
        let admit = |key: usize, sensor: &str| known.admit(&keys[key], known.hasher().hash_one(("d", sensor)));
        assert_eq!((admit(0, "a"), admit(0, "b")), (Ok(()), Ok(())));
        assert_eq!((admit(0, "c"), admit(0, "a")), (Err(NoRoom::Key), Ok(())));
        for key in 1..10 {
            assert_eq!((admit(key, "c"), admit(key, "a")), (Ok(()), Ok(())));
        }
        assert_eq!((admit(10, "a"), admit(9, "c")), (Err(NoRoom::All), Ok(())));
    }

    #[test]
    fn rejected_bytes_are_counted_by_key() {
        let quota = Quota::new(1000);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!((quota.take(&a, 900), quota.take(&b, 1000)), (Ok(()), Ok(())));
        let wait = quota.take(&a, 200).unwrap_err();
        assert!(wait <= HOUR && wait > Duration::from_secs(60), "{wait:?}");
        assert_eq!(quota.take(&a, 5000), Err(HOUR));
    }

    #[test]
    fn times_as_flags() {
        assert_eq!(
            limits("--oldest 1990-05-01").oldest,
            limits("--oldest 1990-05-01T00:00:00Z").oldest
        );
    }
}
