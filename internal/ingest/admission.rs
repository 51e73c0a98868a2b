//! Limits the uploads that run at once.

use crate::Limits;
use access::Rates;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why an upload is refused now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This key sends too many; the next is admitted after this long.
    KeyTooFast(Duration),
    /// This key has too many at once.
    KeyFull,
    /// Too many run at once.
    Full,
}

/// Admits or refuses uploads.
pub(crate) struct Admission {
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
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            under_way: Arc::default(),
            max: limits.max_uploads,
            max_per_key: limits.max_uploads_per_key,
            rate: limits.max_rate_per_key.map(Rates::per_second),
        }
    }

    /// Takes a place for one upload; dropping it frees the place.
    pub(crate) fn enter(&self, key: &Arc<str>) -> Result<Turn, Refusal> {
        if let Some(rate) = &self.rate {
            // Every rate admits one upload.
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
pub(crate) struct Turn {
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
    use crate::limits::tests::limits;

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
}
