//! A trip.

use reading::pairing::Pair;

/// A trip of a device. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trip {
    /// The first and the last moving moment.
    pub(super) from: i64,
    pub(super) to: i64,
    /// Where it was then, if that is known.
    pub(super) start: Option<Pair>,
    pub(super) end: Option<Pair>,
    /// In metres.
    pub(super) distance: f64,
    /// In microseconds, without silences.
    pub(super) moving_time: i64,
    /// In km/h.
    pub(super) top_speed: Option<f64>,
    /// Over its whole duration, in km/h.
    pub(super) average_speed: f64,
    /// Used and refuelled, in percent of the tank.
    pub(super) fuel: Option<f64>,
    pub(super) refuelled: Option<f64>,
    /// Silences within it.
    pub(super) bridged: Vec<Bridged>,
    pub(super) path: Vec<Pair>,
}

impl Trip {
    /// How much it holds: itself, its silences, and the places of its path.
    pub(super) fn weight(&self) -> usize {
        1 + self.bridged.len() + self.path.len()
    }
}

/// A silence within a trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bridged {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// The last trip, which a later reading may still prolong.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Last {
    pub(super) trip: Trip,
    /// Without a further reading, it has ended when the clock is past this.
    pub(super) deadline: i64,
}
