//! The points of a device in a span.

use super::gather::Gather;
use super::segments::{Chosen, Line};
use crate::words::Database;
use crate::words::places::Places;
use crate::words::readings::Readings;
use ::postgres::Error;
use std::ops::Range;
use tokio::task::yield_now;

/// Other questions get a turn after so many readings.
const TURN: usize = 4096;

/// What an answer may still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Readings of all devices.
    pub(super) readings: usize,
    /// Places of all devices.
    pub(super) places: usize,
    /// Of them, those that are not left out while they are read.
    pub(super) kept: usize,
}

/// The track of a device in a span, in microseconds since 1970-01-01 UTC; none where it has no room. The first two
/// `series` are its coordinates, the third is the sensor whose values are wanted.
pub(super) async fn points(
    database: &Database,
    series: &[Option<i32>],
    span: Range<i64>,
    tolerance: i64,
    chosen: Chosen,
    room: &mut Room,
) -> Result<Option<Line>, Error> {
    // Readings outside the span decide about pairs at its ends.
    let around = tolerance.saturating_mul(2).saturating_add(1);
    let (since, before) = (span.start.saturating_sub(around), span.end.saturating_add(around));
    let mut readings = Readings::new(database, series, since, before);
    let mut places = Places::new(tolerance);
    let mut gather = Gather::new(span, tolerance);
    let (mut line, mut taken) = (Line::new(chosen), 0);
    while let Some(window) = readings.next().await? {
        let until = window.until;
        for (number, reading) in window.enumerate() {
            if number % TURN == TURN - 1 {
                yield_now().await;
            }
            places.take(reading);
            drain(&mut places, &mut gather);
        }
        places.reach(until);
        drain(&mut places, &mut gather);
        for point in gather.certain() {
            line.take(point);
            taken += 1;
        }
        if readings.count() > room.readings || taken > room.places || line.len() > room.kept {
            return Ok(None);
        }
    }
    places.reach(i64::MAX);
    drain(&mut places, &mut gather);
    for point in gather.finish() {
        line.take(point);
        taken += 1;
    }
    room.readings = room.readings.saturating_sub(readings.count());
    room.places = room.places.saturating_sub(taken);
    room.kept = room.kept.saturating_sub(line.len());
    Ok(Some(line))
}

fn drain(places: &mut Places, gather: &mut Gather) {
    while let Some(event) = places.pop() {
        gather.take(event);
    }
}
