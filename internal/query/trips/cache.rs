//! Trips of spans, kept until a day that was read for them changes.
//!
//! The versions of days are read before the readings. So a change in between makes a kept span look older than it is,
//! and never newer.

use super::find::{FARTHEST, Found, find};
use super::postgres::{Version, versions};
use super::refusal::Refusal;
use super::thresholds::Rules;
use crate::words::Database;
use crate::words::readings::Device;
use reading::time::DAY;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Spans kept, and places in all their paths together. Bounds the memory.
const SPANS: usize = 256;
const PLACES: usize = 500_000;

/// A device and a span.
type Key = (String, i64, i64);

/// Keeps trips. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    spans: HashMap<Key, Entry>,
    /// Places of all paths.
    places: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    found: Arc<Found>,
    versions: Vec<Version>,
    places: usize,
    used: u64,
}

impl Cache {
    /// The trips of a device in a span, found with at most `most` readings.
    pub(super) async fn find(
        &self,
        database: &Database,
        device: &Device,
        span: Range<i64>,
        rules: Rules,
        most: usize,
    ) -> Result<Arc<Found>, Refusal> {
        let key = (device.name.clone(), span.start, span.end);
        if let Some((found, kept)) = self.get(&key)
            && versions(database, days(&found.read)).await? == kept
        {
            return Ok(found);
        }
        let around = span.start.saturating_sub(FARTHEST)..span.end.saturating_add(2 * FARTHEST);
        let mut versions = versions(database, days(&around)).await?;
        let found = find(database, &device.series, span, rules, most).await?;
        let (first, last) = days(&found.read);
        versions.retain(|version| (first..=last).contains(&version.day));
        let found = Arc::new(found);
        self.keep(key, found.clone(), versions);
        Ok(found)
    }

    fn get(&self, key: &Key) -> Option<(Arc<Found>, Vec<Version>)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let clock = kept.clock;
        let entry = kept.spans.get_mut(key)?;
        entry.used = clock;
        Some((entry.found.clone(), entry.versions.clone()))
    }

    fn keep(&self, key: Key, found: Arc<Found>, versions: Vec<Version>) {
        let last = found.last.iter().map(|last| &last.trip);
        let places = found.trips.iter().chain(last).map(|trip| trip.path.len()).sum();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let entry = Entry {
            found,
            versions,
            places,
            used: kept.clock,
        };
        kept.places += places;
        if let Some(before) = kept.spans.insert(key, entry) {
            kept.places -= before.places;
        }
        kept.shrink();
    }
}

impl Kept {
    /// Forgets the spans that were not used for longest.
    fn shrink(&mut self) {
        while self.spans.len() > SPANS || self.places > PLACES {
            let oldest = self.spans.iter().min_by_key(|(_, entry)| entry.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some(entry) = self.spans.remove(&key) {
                self.places -= entry.places;
            }
        }
    }
}

/// The first and the last UTC day of a span.
fn days(span: &Range<i64>) -> (i32, i32) {
    let day = |moment: i64| i32::try_from(moment.div_euclid(DAY)).unwrap_or(i32::MAX);
    (day(span.start), day(span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let cache = Cache::default();
        let found = || {
            Arc::new(Found {
                trips: Vec::new(),
                last: None,
                read: 0..1,
                readings: 0,
            })
        };
        let key = |number: i64| ("lada".to_owned(), number, number + 1);
        for number in 0..1000 {
            cache.keep(key(number), found(), Vec::new());
            // Used again and again.
            assert!(cache.get(&key(0)).is_some(), "{number}");
        }
        assert_eq!(cache.kept.lock().unwrap().spans.len(), SPANS);
        assert!(cache.get(&key(1)).is_none());
        assert!(cache.get(&key(999)).is_some());
    }
}
