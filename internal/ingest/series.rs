//! Limits the different series of each key.

use std::collections::{HashMap, HashSet};
use std::hash::RandomState;
use std::sync::{Arc, Mutex, PoisonError};

/// The limit of all keys together, as a multiple of the limit of one.
const KEYS: usize = 10;

/// The series that each key has brought since the start, as hashes of eight bytes. A collision only admits
/// one series too many.
pub(crate) struct SeriesQuota {
    seen: Mutex<Seen>,
    hasher: RandomState,
    max: usize,
}

#[derive(Default)]
struct Seen {
    by_key: HashMap<Arc<str>, HashSet<u64>>,
    all: usize,
}

/// Why a series has no room. It is a matter of capacity, not a verdict on its readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The share of the key is full.
    Key,
    /// The share of all keys together is full.
    All,
}

impl SeriesQuota {
    /// Admits `max` series of each key, and ten times as many in all.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            seen: Mutex::default(),
            hasher: RandomState::new(),
            max,
        }
    }

    /// The hasher of (device, sensor); its seed cannot be guessed from outside.
    pub(crate) fn hasher(&self) -> RandomState {
        self.hasher.clone()
    }

    /// Admits the series of this hash, by that hasher.
    ///
    /// # Errors
    /// Where there is no room for a series that is new to this key.
    pub(crate) fn admit(&self, key: &Arc<str>, hash: u64) -> Result<(), NoRoom> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn one_key_s_series_do_not_lock_out_another_s() {
        let known = SeriesQuota::new(2);
        let keys: Vec<Arc<str>> = (0..12).map(|key| key.to_string().into()).collect();
        let admit = |key: usize, sensor: &str| known.admit(&keys[key], known.hasher().hash_one(("d", sensor)));
        assert_eq!((admit(0, "a"), admit(0, "b")), (Ok(()), Ok(())));
        assert_eq!((admit(0, "c"), admit(0, "a")), (Err(NoRoom::Key), Ok(())));
        for key in 1..10 {
            assert_eq!((admit(key, "c"), admit(key, "a")), (Ok(()), Ok(())));
        }
        assert_eq!((admit(10, "a"), admit(9, "c")), (Err(NoRoom::All), Ok(())));
    }
}
