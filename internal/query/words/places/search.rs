//! Finds the last place of one device or of all, or at moments, and reads no more than is later than it.
//!
//! Each device is searched backwards in time, page by page; the device whose next place can be the latest
//! comes first. Pages grow from few readings, so a run of readings without a place costs only those readings,
//! however long the history before it is. Every statement is bounded in readings and in time.

use super::postgres::{self, Readings, Window};
use super::{Asked, Candidate, Place};
use crate::words::Database;
use crate::words::reach::{BEGINNING, Reach};
use ::postgres::Error;
use reading::pairing::{Axis, Pair, Pairing, Point};
use std::cmp::Ordering;
use std::collections::HashMap;

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

/// Most answers of the database to one question about the latest places of many devices.
const MOST_ROUNDS: usize = 64;

/// Finds the place with the latest moment, of one device or of all. At equal moments, it is that of the
/// device whose name is bytewise smaller. `tolerance` is in microseconds.
pub(crate) async fn latest(database: &Database, device: Option<&str>, tolerance: i64) -> Result<Option<Place>, Error> {
    let mut candidates = Candidates {
        database,
        device,
        tolerance,
        last: None,
        page: FIRST_CANDIDATES,
        more: true,
    };
    let mut best: Option<Place> = None;
    let mut searches: Vec<Search<String>> = Vec::new();
    let mut width = FIRST_CANDIDATES;
    loop {
        if candidates.come_next(searches.first(), best.as_ref()) && searches.len() < MOST_CANDIDATES {
            for candidate in candidates.next().await? {
                match candidate.settled().filter(|pair| pair.is_place()) {
                    Some(pair) => prefer(&mut best, (candidate.device, pair)),
                    None => searches.push(Search::latest(candidate, tolerance)),
                }
            }
        } else if searches.is_empty() {
            return Ok(best);
        } else {
            let found = advance(database, &mut searches, width).await?;
            for place in found {
                prefer(&mut best, place);
            }
            width = (width * 4).min(MOST_CANDIDATES);
        }
        if let Some(best) = &best {
            searches.retain(|search| precedes((search.bound(), &search.of), of(best)));
        }
        searches.sort_by(|one, other| order((one.bound(), &one.of), (other.bound(), &other.of)));
    }
}

/// Finds the latest place of each of these devices. A device without one is left out, and so is one whose place is not
/// found in [`MOST_ROUNDS`] pages: its coordinates are out of range, or not of one moment, for a long time.
pub(crate) async fn latest_of_each(
    database: &Database,
    devices: &[&str],
    tolerance: i64,
) -> Result<HashMap<String, Pair>, Error> {
    let (mut found, mut searches) = (HashMap::new(), Vec::new());
    if devices.is_empty() {
        return Ok(found);
    }
    for candidate in postgres::candidates_of(database, devices).await? {
        match candidate.settled().filter(|pair| pair.is_place()) {
            Some(pair) => {
                found.insert(candidate.device, pair);
            }
            None => searches.push(Search::latest(candidate, tolerance)),
        }
    }
    for _ in 0..MOST_ROUNDS {
        if searches.is_empty() {
            break;
        }
        found.extend(advance(database, &mut searches, MOST_CANDIDATES).await?);
    }
    Ok(found)
}

/// Finds the last place of each device at or before a moment, no more than `reach` before it. `tolerance` is of the two
/// readings of a place. All are in microseconds.
///
/// Also the readings just after a moment are looked at: they may show that the last one before it belongs to another.
pub(crate) async fn at(
    database: &Database,
    asked: &[Asked<'_>],
    tolerance: i64,
    reach: i64,
) -> Result<Vec<Option<Pair>>, Error> {
    let mut devices: Vec<&str> = asked.iter().map(|asked| asked.device).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut found = vec![None; asked.len()];
    if devices.is_empty() {
        return Ok(found);
    }
    let known = postgres::series(database, &devices).await?;
    let mut searches = Vec::new();
    for (at, asked) in asked.iter().enumerate() {
        if let Some(series) = known.iter().find(|series| series.device == asked.device) {
            let span = (asked.moment.saturating_sub(reach), asked.moment);
            searches.push(Search::within(at, (series.latitude, series.longitude), span, tolerance));
        }
    }
    while !searches.is_empty() {
        for (at, pair) in advance(database, &mut searches, MOST_CANDIDATES).await? {
            found[at] = Some(pair);
        }
    }
    Ok(found)
}

/// Reads the next page of the first searches, and returns the places that end them.
///
/// In a window of many months a page has few readings. Otherwise the planner, while it does not know the
/// tables yet, sorts the whole window. So far looks are taken together.
async fn advance<L>(database: &Database, searches: &mut Vec<Search<L>>, width: usize) -> Result<Vec<(L, Pair)>, Error> {
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
            Step::Found(pair) => found.push((search.of, pair)),
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
    fn come_next(&self, first: Option<&Search<String>>, best: Option<&Place>) -> bool {
        let Some(last) = &self.last else { return self.more };
        let last = (last.0, &*last.1);
        self.more
            && first.is_none_or(|first| precedes(last, (first.bound(), &first.of)))
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

/// The search for the last place of one device in a span.
struct Search<L> {
    /// What it is for.
    of: L,
    tolerance: i64,
    /// The earliest and the latest moment that the place may have.
    span: (i64, i64),
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

impl Search<String> {
    /// Searches all readings of a candidate.
    fn latest(candidate: Candidate, tolerance: i64) -> Self {
        let befores = (candidate.latitude.time + 1, candidate.longitude.time + 1);
        let series = (candidate.latitude.series, candidate.longitude.series);
        Self::new(candidate.device, series, befores, (BEGINNING, i64::MAX), tolerance)
    }
}

impl<L> Search<L> {
    /// Searches the readings of a span, and what decides about them: a tolerance after it, and two before it.
    fn within(of: L, series: (i32, i32), span: (i64, i64), tolerance: i64) -> Self {
        let before = span.1.saturating_add(tolerance).saturating_add(1);
        Self::new(of, series, (before, before), span, tolerance)
    }

    fn new(of: L, series: (i32, i32), before: (i64, i64), span: (i64, i64), tolerance: i64) -> Self {
        let side = |series, before| Side {
            series,
            before,
            reach: Reach::default(),
        };
        let mut search = Self {
            of,
            latitude: side(series.0, before.0),
            longitude: side(series.1, before.1),
            tolerance,
            span,
            pairing: Pairing::new(tolerance),
            readings: FIRST_READINGS,
        };
        search.pass_over();
        search
    }

    /// Before this, nothing decides about the span.
    fn floor(&self) -> i64 {
        self.span
            .0
            .saturating_sub(self.tolerance.saturating_mul(2))
            .saturating_sub(1)
            .max(BEGINNING)
    }

    /// Whether a pair is what is searched.
    fn is_found(&self, pair: &Pair) -> bool {
        pair.is_place() && (self.span.0..=self.span.1).contains(&pair.time)
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
            since: side.reach.since(side.before).max(self.floor()),
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
            if let Some(pair) = self.pairing.take(point).filter(|pair| self.is_found(pair)) {
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
        if let Some(pair) = certain.filter(|pair| self.is_found(pair)) {
            return Step::Found(pair);
        }
        let reached = self.latitude.before.max(self.longitude.before);
        if self.pairing.waits().is_some() && reached > self.floor() {
            return Step::GoesOn;
        }
        // The last point may pair with one of the other side that was not read yet.
        if let Some(last) = self.pairing.last() {
            let other = match last.axis {
                Axis::Latitude => self.longitude.before,
                Axis::Longitude => self.latitude.before,
            };
            if other > self.floor().max(last.time.saturating_sub(self.tolerance)) {
                return Step::GoesOn;
            }
        }
        self.pass_over();
        // Without one of the two series there are no more pairs.
        if self.latitude.before.min(self.longitude.before) <= self.floor() {
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

fn of(place: &Place) -> (i64, &str) {
    (place.1.time, &place.0)
}

/// Orders places by preference: the latest first; at equal moments by name.
fn order(one: (i64, &str), other: (i64, &str)) -> Ordering {
    other.0.cmp(&one.0).then_with(|| one.1.cmp(other.1))
}

fn precedes(one: (i64, &str), other: (i64, &str)) -> bool {
    order(one, other).is_lt()
}

fn prefer(best: &mut Option<Place>, place: Place) {
    if best.as_ref().is_none_or(|best| precedes(of(&place), of(best))) {
        *best = Some(place);
    }
}
