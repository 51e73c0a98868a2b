//! The points of a device in a span.

use super::gather::{Gather, Point};
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
}

/// The points of a device in a span, in microseconds since 1970-01-01 UTC; none where they have no room. The first two
/// `series` are its coordinates, the third is the sensor whose values are wanted.
pub(super) async fn points(
    database: &Database,
    series: &[Option<i32>],
    span: Range<i64>,
    tolerance: i64,
    room: &mut Room,
) -> Result<Option<Vec<Point>>, Error> {
    // Readings outside the span decide about pairs at its ends.
    let around = tolerance.saturating_mul(2).saturating_add(1);
    let (since, before) = (span.start.saturating_sub(around), span.end.saturating_add(around));
    let mut readings = Readings::new(database, series, since, before);
    let mut places = Places::new(tolerance);
    let mut gather = Gather::new(span, tolerance);
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
        if readings.count() > room.readings || gather.len() > room.places {
            return Ok(None);
        }
    }
    places.reach(i64::MAX);
    drain(&mut places, &mut gather);
    room.readings = room.readings.saturating_sub(readings.count());
    room.places = room.places.saturating_sub(gather.len());
    Ok(Some(gather.finish()))
}

fn drain(places: &mut Places, gather: &mut Gather) {
    while let Some(event) = places.pop() {
        gather.take(event);
    }
}
