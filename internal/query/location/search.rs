//! Finds the last place of one device or of all, and reads no more than is later than it.
//!
//! Each device is searched backwards in time, page by page; the device whose next place can be the latest
//! comes first. Pages grow from few readings, so a run of readings without a place costs only those readings,
//! however long the history before it is. Every statement is bounded in readings and in time.

use super::postgres::{self, Readings, Window};
use super::{Candidate, Location, timestamp};
use crate::words::reach::{BEGINNING, Reach};
use crate::words::{Database, Time};
use ::postgres::Error;
use reading::pairing::{Axis, Pair, Pairing, Point};
use std::cmp::Ordering;

/// Candidates in the first query. The best one nearly always has a place.
const FIRST_CANDIDATES: usize = 16;

/// Most candidates in a query, and most devices searched at a time.
const MOST_CANDIDATES: usize = 4096;

/// Readings of a series in the first page.
const FIRST_READINGS: usize = 16;

/// Growth from a page to the next.
const GROWTH: u8 = 4;

/// Most readings of a series in a page.
const MOST_READINGS: usize = 16_384;

/// Most readings in one answer of the database.
const ANSWER: usize = 65_536;

/// Finds the place with the latest moment, of one device or of all. At equal moments, it is that of the
/// device whose name is bytewise smaller. `tolerance` is in microseconds.
pub(super) async fn latest(
    database: &Database,
    device: Option<&str>,
    tolerance: i64,
) -> Result<Option<Location>, Error> {
    let mut candidates = Candidates {
        database,
        device,
        tolerance,
        last: None,
        page: FIRST_CANDIDATES,
        more: true,
    };
    let mut best: Option<Location> = None;
    let mut searches: Vec<Search> = Vec::new();
    let mut width = FIRST_CANDIDATES;
    loop {
        if candidates.come_next(searches.first(), best.as_ref()) && searches.len() < MOST_CANDIDATES {
            for candidate in candidates.next().await? {
                match candidate.settled().filter(|pair| pair.is_place()) {
                    Some(pair) => prefer(&mut best, location(candidate.device, pair)),
                    None => searches.push(Search::new(candidate, tolerance)),
                }
            }
        } else if searches.is_empty() {
            return Ok(best);
        } else {
            let found = advance(database, &mut searches, width).await?;
            for location in found {
                prefer(&mut best, location);
            }
            width = (width * 4).min(MOST_CANDIDATES);
        }
        if let Some(best) = &best {
            searches.retain(|search| precedes((search.bound(), &search.device), of(best)));
        }
        searches.sort_by(|one, other| order((one.bound(), &one.device), (other.bound(), &other.device)));
    }
}

/// Reads the next page of the first searches, and returns the places that end them.
///
/// In a window of many months a page has few readings. Otherwise the planner, while it does not know the
/// tables yet, sorts the whole window. So far looks are taken together.
async fn advance(database: &Database, searches: &mut Vec<Search>, width: usize) -> Result<Vec<Location>, Error> {
    let far = searches.first().is_some_and(Search::looks_far);
    let readings = match searches.first() {
        Some(first) if !far => first.readings,
        _ => FIRST_READINGS,
    };
    let most = width.min(ANSWER / (2 * readings));
    let (mut chosen, mut rest) = (Vec::new(), Vec::new());
    for search in std::mem::take(searches) {
        if chosen.len() < most && search.looks_far() == far {
            chosen.push(search);
        } else {
            rest.push(search);
        }
    }
    let windows: Vec<Window> = chosen.iter().flat_map(Search::windows).collect();
    let mut pages = postgres::pages(database, &windows, readings).await?.into_iter();
    let mut found = Vec::new();
    for mut search in chosen {
        let (latitudes, longitudes) = (pages.next().unwrap_or_default(), pages.next().unwrap_or_default());
        match search.take(&latitudes, &longitudes, readings) {
            Step::Found(pair) => found.push(location(search.device, pair)),
            Step::Ended => {}
            Step::GoesOn => rest.push(search),
        }
    }
    *searches = rest;
    Ok(found)
}

/// Devices in order of the latest moment that their places can have.
struct Candidates<'a> {
    database: &'a Database,
    device: Option<&'a str>,
    tolerance: i64,
    /// The last candidate taken.
    last: Option<(i64, String)>,
    page: usize,
    more: bool,
}

impl Candidates<'_> {
    /// Whether candidates not taken yet may have a later place than the known one.
    fn come_next(&self, first: Option<&Search>, best: Option<&Location>) -> bool {
        let Some(last) = &self.last else { return self.more };
        let last = (last.0, &*last.1);
        self.more
            && first.is_none_or(|first| precedes(last, (first.bound(), &first.device)))
            && best.is_none_or(|best| precedes(last, of(best)))
    }

    async fn next(&mut self) -> Result<Vec<Candidate>, Error> {
        let last = self.last.as_ref().map(|(bound, device)| (*bound, &**device));
        let candidates = postgres::candidates(self.database, self.device, self.tolerance, last, self.page).await?;
        self.more = candidates.len() == self.page;
        self.page = (self.page * 16).min(MOST_CANDIDATES);
        if let Some(last) = candidates.last() {
            self.last = Some((last.bound(self.tolerance), last.device.clone()));
        }
        Ok(candidates)
    }
}

/// The search for the last place of one device.
struct Search {
    device: String,
    tolerance: i64,
    latitude: Side,
    longitude: Side,
    pairing: Pairing,
    /// Readings of each series in the next page.
    readings: usize,
}

/// How far a series was searched.
#[derive(Clone, Copy)]
struct Side {
    series: i32,
    /// Everything since this moment was searched.
    before: i64,
    reach: Reach,
}

/// The result of a page.
enum Step {
    Found(Pair),
    Ended,
    GoesOn,
}

impl Search {
    fn new(candidate: Candidate, tolerance: i64) -> Self {
        let side = |latest: super::Latest| Side {
            series: latest.series,
            before: latest.time + 1,
            reach: Reach::default(),
        };
        let mut search = Self {
            latitude: side(candidate.latitude),
            longitude: side(candidate.longitude),
            device: candidate.device,
            tolerance,
            pairing: Pairing::new(tolerance),
            readings: FIRST_READINGS,
        };
        search.pass_over();
        search
    }

    /// The latest moment that its place can have.
    fn bound(&self) -> i64 {
        let next = self.latitude.before.max(self.longitude.before) - 1;
        self.pairing.waits().unwrap_or(next)
    }

    /// Whether its next window is wider than the first.
    fn looks_far(&self) -> bool {
        self.latitude.reach.is_far() || self.longitude.reach.is_far()
    }

    /// The next windows to read: of its latitudes and of its longitudes.
    fn windows(&self) -> [Window; 2] {
        [self.latitude, self.longitude].map(|side| Window {
            series: side.series,
            since: side.reach.since(side.before),
            before: side.before,
        })
    }

    /// Takes the pages of these windows, each with at most `most` readings, the latest first.
    fn take(&mut self, latitudes: &Readings, longitudes: &Readings, most: usize) -> Step {
        let [latitude, longitude] = self.windows();
        let (of_latitude, of_longitude) = (since(latitude, latitudes, most), since(longitude, longitudes, most));
        // Before this, one of them is unknown.
        let known = of_latitude.max(of_longitude);
        let mut points = Points { latitudes, longitudes };
        while let Some(point) = points.next_since(known) {
            if let Some(pair) = self.pairing.take(point).filter(|pair| pair.is_place()) {
                return Step::Found(pair);
            }
        }
        self.latitude
            .look_back(of_latitude, points.latitudes, latitudes.len() == most);
        self.longitude
            .look_back(of_longitude, points.longitudes, longitudes.len() == most);
        if latitudes.len() == most || longitudes.len() == most {
            self.readings = (self.readings * usize::from(GROWTH)).min(MOST_READINGS);
        }
        let certain = self.pairing.reached(self.latitude.before, self.longitude.before);
        if let Some(pair) = certain.filter(|pair| pair.is_place()) {
            return Step::Found(pair);
        }
        if self.pairing.waits().is_some() {
            return Step::GoesOn;
        }
        self.pass_over();
        // Without one of the two series there are no more pairs.
        if self.latitude.before.min(self.longitude.before) <= BEGINNING {
            Step::Ended
        } else {
            Step::GoesOn
        }
    }

    /// Skips readings too far from the next reading of the other series.
    fn pass_over(&mut self) {
        let (latitude, longitude) = (self.latitude.before, self.longitude.before);
        self.latitude.before = latitude.min(longitude.saturating_add(self.tolerance));
        self.longitude.before = longitude.min(latitude.saturating_add(self.tolerance));
    }
}

impl Side {
    /// Goes back to the next of the readings left, or to the start of the searched window.
    fn look_back(&mut self, since: i64, left: &[(i64, f64)], full: bool) {
        if full {
            // A window for about as many readings as the next page has.
            self.reach = Reach::near((self.before - since).saturating_mul(GROWTH.into()));
        } else if left.is_empty() {
            self.reach.widen();
        }
        self.before = left.first().map_or(since, |(time, _)| time + 1);
    }
}

/// The moment since which a page has all readings of its window.
fn since(window: Window, readings: &Readings, most: usize) -> i64 {
    match readings.last() {
        Some((time, _)) if readings.len() == most => *time,
        _ => window.since,
    }
}

/// Readings of two series as points, backwards in time.
struct Points<'a> {
    latitudes: &'a [(i64, f64)],
    longitudes: &'a [(i64, f64)],
}

impl Points<'_> {
    /// Returns the next point, unless it is earlier than this moment.
    fn next_since(&mut self, since: i64) -> Option<Point> {
        let is_latitude = match (self.latitudes.first(), self.longitudes.first()) {
            (Some((latitude, _)), Some((longitude, _))) => latitude >= longitude,
            (latitude, _) => latitude.is_some(),
        };
        let (axis, readings) = if is_latitude {
            (Axis::Latitude, &mut self.latitudes)
        } else {
            (Axis::Longitude, &mut self.longitudes)
        };
        let ((time, value), rest) = readings.split_first()?;
        if *time < since {
            return None;
        }
        *readings = rest;
        Some(Point {
            axis,
            time: *time,
            value: *value,
        })
    }
}

fn location(device: String, pair: Pair) -> Location {
    Location {
        latitude: pair.latitude,
        longitude: pair.longitude,
        timestamp: Time(timestamp(pair.time)),
        device,
    }
}

fn of(location: &Location) -> (i64, &str) {
    (location.timestamp.0.as_microsecond(), &location.device)
}

/// Orders places by preference: the latest first; at equal moments by name.
fn order(one: (i64, &str), other: (i64, &str)) -> Ordering {
    other.0.cmp(&one.0).then_with(|| one.1.cmp(other.1))
}

fn precedes(one: (i64, &str), other: (i64, &str)) -> bool {
    order(one, other).is_lt()
}

fn prefer(best: &mut Option<Location>, location: Location) {
    if best.as_ref().is_none_or(|best| precedes(of(&location), of(best))) {
        *best = Some(location);
    }
}
