//! Trips of spans, kept until a day that was read for them changes.
//!
//! A question is about whole UTC days, cut where yesterday begins: so its older part does not read a day that is still
//! being written. The versions of days are read before the readings. So a change in between makes a kept span look
//! older than it is, and never newer.

use super::find::{FARTHEST, Found, find};
use super::postgres::{Version, versions};
use super::thresholds::Rules;
use crate::words::readings::Device;
use crate::words::{Database, Questions, problem};
use reading::time::DAY;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use web::Problem;

/// Spans kept, and what all of them weigh: trips, places in their paths, silences, and versions. Bounds the memory.
const SPANS: usize = 4096;
const WEIGHT: usize = 500_000;

/// The most that one span may weigh.
const HEAVIEST: usize = WEIGHT / 4;

/// A device with its series, a span, and whether the trips have paths.
type Key = (Device, i64, i64, bool);

/// Finds trips and keeps them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Cache {
    database: Database,
    rules: Rules,
    kept: Arc<Mutex<Kept>>,
    /// Spans that are being found.
    finding: Questions<Key, Result<Arc<Found>, Problem>>,
}

#[derive(Debug, Default)]
struct Kept {
    spans: HashMap<Key, Entry>,
    weight: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    found: Arc<Found>,
    versions: Vec<Version>,
    weight: usize,
    used: u64,
}

impl Kept {
    /// What is kept, with the versions that it was found by.
    fn get(&mut self, key: &Key) -> Option<(Arc<Found>, &[Version])> {
        self.clock += 1;
        let clock = self.clock;
        let entry = self.spans.get_mut(key)?;
        entry.used = clock;
        Some((entry.found.clone(), entry.versions.as_slice()))
    }

    fn keep(&mut self, key: Key, found: Arc<Found>, versions: Vec<Version>) {
        let weight = 1 + versions.len() + found.weight();
        if let Some(before) = self.spans.remove(&key) {
            self.weight -= before.weight;
        }
        if weight > HEAVIEST {
            return;
        }
        self.clock += 1;
        let entry = Entry {
            found,
            versions,
            weight,
            used: self.clock,
        };
        self.weight += weight;
        self.spans.insert(key, entry);
        self.shrink();
    }

    /// Forgets the spans that were not used for longest.
    fn shrink(&mut self) {
        while self.spans.len() > SPANS || self.weight > WEIGHT {
            let oldest = self.spans.iter().min_by_key(|(_, entry)| entry.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some(entry) = self.spans.remove(&key) {
                self.weight -= entry.weight;
            }
        }
    }
}

impl Cache {
    pub(super) fn new(database: Database, rules: Rules) -> Self {
        Self {
            database,
            rules,
            kept: Arc::default(),
            finding: Questions::default(),
        }
    }

    /// The versions of all days that the trips of a span may depend on.
    pub(super) async fn versions(&self, span: &Range<i64>) -> Result<Vec<Version>, Problem> {
        // A question's parts begin up to a day before it.
        let around = span.start.saturating_sub(FARTHEST + DAY)..span.end.saturating_add(2 * FARTHEST);
        versions(&self.database, days(&around)).await.map_err(problem)
    }

    /// The trips of a device in a span, with their paths or without. `now` has the versions of the days around it.
    pub(super) async fn find(
        &self,
        device: &Device,
        span: Range<i64>,
        with_path: bool,
        now: &[Version],
    ) -> Result<Arc<Found>, Problem> {
        let key = (device.clone(), span.start, span.end, with_path);
        if let Some(found) = self.kept(&key, now) {
            return Ok(found);
        }
        let (cache, asked) = (self.clone(), key.clone());
        let put = move || async move { cache.find_anew(asked).await };
        self.finding.ask(key, put).await
    }

    /// What is kept, if these are the versions of its days.
    fn kept(&self, key: &Key, now: &[Version]) -> Option<Arc<Found>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (found, versions) = kept.get(key)?;
        (within(now, &found) == versions).then_some(found)
    }

    async fn find_anew(&self, key: Key) -> Result<Arc<Found>, Problem> {
        let (device, start, end, with_path) = &key;
        let span = *start..*end;
        let now = self.versions(&span).await?;
        // Another question may have found it meanwhile.
        if let Some(found) = self.kept(&key, &now) {
            return Ok(found);
        }
        let rules = if *with_path {
            self.rules
        } else {
            self.rules.without_path()
        };
        let found = Arc::new(find(&self.database, &device.series, span, rules).await?);
        let versions = within(&now, &found).to_vec();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.keep(key, found.clone(), versions);
        Ok(found)
    }
}

/// The parts of a span that are kept apart, in order, as whole UTC days. What has ended before yesterday is one of
/// them, by a clock that shows `now`.
pub(super) fn parts(span: &Range<i64>, now: i64) -> Vec<Range<i64>> {
    let start = span.start.div_euclid(DAY) * DAY;
    let end = (span.end - 1).div_euclid(DAY) * DAY + DAY;
    let cut = (now.div_euclid(DAY) - 1) * DAY;
    let cut = cut.clamp(start, end);
    let parts = [start..cut, cut..end];
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// The versions of the days that were read.
fn within<'a>(versions: &'a [Version], found: &Found) -> &'a [Version] {
    let (first, last) = days(&found.read);
    let from = versions.partition_point(|version| version.day < first);
    let to = versions.partition_point(|version| version.day <= last);
    versions.get(from..to).unwrap_or_default()
}

/// The first and the last UTC day of a span.
fn days(span: &Range<i64>) -> (i32, i32) {
    let day = |moment: i64| i32::try_from(moment.div_euclid(DAY)).unwrap_or(i32::MAX);
    (day(span.start), day(span.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trips::trip::{Bridged, Trip};

    fn key(number: i64) -> Key {
        let device = Device {
            name: "lada".to_owned(),
            series: vec![Some(1)],
        };
        (device, number, number + 1, false)
    }

    /// Found trips of this many silences in all.
    fn found(silences: usize) -> Arc<Found> {
        let trip = Trip {
            from: 0,
            to: 1,
            start: None,
            end: None,
            distance: 1.0,
            moving_time: 1,
            top_speed: None,
            average_speed: 1.0,
            fuel: None,
            refuelled: None,
            bridged: vec![Bridged { from: 0, to: 1 }; silences],
            path: Vec::new(),
        };
        Arc::new(Found {
            trips: vec![trip],
            last: None,
            read: 0..1,
            readings: 0,
        })
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::default();
        for number in 0..5000 {
            kept.keep(key(number), found(0), Vec::new());
            // Used again and again.
            assert!(kept.get(&key(0)).is_some(), "{number}");
        }
        assert_eq!(kept.spans.len(), SPANS);
        assert!(kept.get(&key(1)).is_none());
        assert!(kept.get(&key(4999)).is_some());
    }

    #[test]
    fn silences_weigh_and_the_heaviest_are_not_kept() {
        let mut kept = Kept::default();
        kept.keep(key(0), found(HEAVIEST), Vec::new());
        assert!(kept.spans.is_empty() && kept.weight == 0);
        for number in 0..20 {
            kept.keep(key(number), found(HEAVIEST / 2), Vec::new());
            kept.keep(key(number), found(HEAVIEST / 2), Vec::new());
            assert!(kept.weight <= WEIGHT, "{}", kept.weight);
        }
        assert_eq!(kept.spans.len(), 7);
    }

    #[test]
    fn other_series_of_a_name_are_another_device() {
        let mut kept = Kept::default();
        kept.keep(key(0), found(0), Vec::new());
        let mut other = key(0);
        other.0.series.push(Some(2));
        assert!(kept.get(&other).is_none());
    }

    #[test]
    fn the_days_before_yesterday_are_a_part() {
        let now = 100 * DAY + 5;
        let days = |from: i64, to: i64| from * DAY..to * DAY;
        for (span, expected) in [
            // One moment later, the parts are the same.
            (70 * DAY + 7..now, vec![days(70, 99), days(99, 101)]),
            (70 * DAY + 8..now + 1, vec![days(70, 99), days(99, 101)]),
            (days(70, 71), vec![days(70, 71)]),
            (days(70, 99), vec![days(70, 99)]),
            (100 * DAY + 1..100 * DAY + 2, vec![days(100, 101)]),
            (-1..0, vec![days(-1, 0)]),
        ] {
            assert_eq!(parts(&span, now), expected, "{span:?}");
        }
    }
}
