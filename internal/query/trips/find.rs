//! Reads the readings around a span, and finds its trips.
//!
//! A trip belongs to a span if it begins there. Whether the vehicle was under way at the span's beginning is decided
//! by what was before. So reading begins earlier, and earlier still while the vehicle did not surely stand before the
//! span. It goes on after the span until the last trip has ended.

use super::moving::Moving;
use super::refusal::{HELD, PLACES, READINGS, Refusal};
use super::rules::Machine;
use super::thresholds::Rules;
use super::trip::{Last, Trip};
use crate::words::Database;
use crate::words::places::Places;
use crate::words::readings::Readings;
use reading::time::{DAY, SECOND};
use std::ops::Range;
use tokio::task::yield_now;

/// How long before the span reading begins: the next one where the one before it is too short.
const LEADS: [i64; 3] = [2 * 3600 * SECOND, DAY, FARTHEST];

/// How far around a span is read.
pub(super) const FARTHEST: i64 = 8 * DAY;

/// Other questions get a turn after so many readings.
const TURN: usize = 4096;

/// The trips of a device that begin in a span.
#[derive(Debug)]
pub(super) struct Found {
    /// In order of time.
    pub(super) trips: Vec<Trip>,
    /// The last one, if only the clock may tell that it has ended.
    pub(super) last: Option<Last>,
    /// What was read, in microseconds since 1970-01-01 UTC, silences included.
    pub(super) read: Range<i64>,
    /// How many readings were read.
    pub(super) readings: usize,
}

impl Found {
    /// What its trips hold.
    pub(super) fn weight(&self) -> usize {
        let last = self.last.iter().map(|last| &last.trip);
        self.trips.iter().chain(last).map(Trip::weight).sum()
    }
}

/// Finds the trips of these series.
pub(super) async fn find(
    database: &Database,
    series: &[Option<i32>],
    span: Range<i64>,
    rules: Rules,
) -> Result<Found, Refusal> {
    let mut readings = 0;
    for lead in LEADS {
        let since = span.start.saturating_sub(lead);
        let mut pass = Pass {
            readings: Readings::new(database, series, since, span.end.saturating_add(rules.lag())),
            places: Places::new(rules.pairing),
            moving: Moving::new(rules),
            machine: Machine::new(since, rules),
        };
        // What the steps lag behind is known only later.
        let settled = span.start.saturating_add(rules.lag());
        let mut goes_on = true;
        while goes_on && pass.read().await? {
            if readings + pass.readings.count() > READINGS {
                return Err(Refusal::Readings);
            }
            let is_early = lead < FARTHEST && pass.readings.reached() >= settled;
            goes_on = !is_early || pass.machine.is_settled_by(span.start);
        }
        if goes_on {
            return pass.end(span, since, rules, READINGS - readings).await;
        }
        readings += pass.readings.count();
    }
    // The last lead goes on to the end.
    Err(Refusal::Readings)
}

/// A pass over the readings of a device.
struct Pass {
    readings: Readings,
    places: Places,
    moving: Moving,
    machine: Machine,
}

impl Pass {
    /// Reads the next window. Returns whether there was one.
    async fn read(&mut self) -> Result<bool, Refusal> {
        let Some(window) = self.readings.next().await? else {
            return Ok(false);
        };
        let until = window.until;
        for (number, reading) in window.enumerate() {
            if number % TURN == TURN - 1 {
                yield_now().await;
            }
            self.places.take(reading);
            self.drain();
            if self.places.held() + self.moving.held() > HELD {
                return Err(Refusal::Dense);
            }
            if self.machine.weight() > PLACES {
                return Err(Refusal::Places);
            }
        }
        self.reach(until);
        Ok(true)
    }

    fn reach(&mut self, time: i64) {
        self.places.reach(time);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.places.pop() {
            self.moving.take(event);
        }
        self.moving.reach(self.places.certain());
        while let Some(step) = self.moving.pop() {
            self.machine.take(step);
        }
    }

    /// Reads on until no trip of the span is under way, and tells them.
    async fn end(mut self, span: Range<i64>, since: i64, rules: Rules, most: usize) -> Result<Found, Refusal> {
        self.readings.extend(span.end.saturating_add(FARTHEST));
        loop {
            let reached = self.readings.reached().saturating_sub(rules.lag());
            let is_over = self.machine.waits(span.end).is_none_or(|until| until < reached);
            if is_over || !self.read().await? {
                break;
            }
            if self.readings.count() > most {
                return Err(Refusal::Readings);
            }
        }
        let (read_until, readings) = (self.readings.reached(), self.readings.count());
        self.reach(i64::MAX);
        // A reading within the silence after the last moment would go on with the trip.
        let waits = self
            .machine
            .waits(span.end)
            .map_or(read_until, |until| until + rules.lag());
        let (mut trips, last) = self.machine.finish();
        trips.retain(|trip| span.contains(&trip.from));
        Ok(Found {
            trips,
            last: last.filter(|last| span.contains(&last.trip.from)),
            read: since..read_until.max(waits),
            readings,
        })
    }
}
