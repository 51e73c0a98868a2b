//! Trips as this API tells them.

use super::find::Found;
use super::trip::Trip;
use crate::words::places::timestamp;
use crate::words::{Time, Zone};
use reading::pairing::Pair;
use serde::Serialize;
use std::ops::Range;
use utoipa::ToSchema;

/// A trip in an answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Trip)]
pub(super) struct Told {
    pub(super) device: String,
    /// The day on which it began, in the zone of the question.
    #[schema(format = Date)]
    pub(super) date: String,
    pub(super) from: Time,
    pub(super) to: Time,
    /// Null without places.
    #[schema(required)]
    start: Option<Place>,
    #[schema(required)]
    end: Option<Place>,
    /// In metres.
    pub(super) distance: f64,
    /// In seconds.
    duration: f64,
    pub(super) moving_time: f64,
    /// In km/h; the average is over the whole duration.
    #[schema(required)]
    top_speed: Option<f64>,
    average_speed: f64,
    /// In percent of the tank; null without a level at its beginning and its end.
    #[schema(required)]
    fuel: Option<f64>,
    #[schema(required)]
    refuelled: Option<f64>,
    /// Silences that did not end it.
    bridged: Vec<Silence>,
    /// It may still go on.
    open: bool,
    /// Only where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Path>,
}

/// Degrees, WGS 84.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = PlaceOfTrip)]
struct Place {
    latitude: f64,
    longitude: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
struct Silence {
    from: Time,
    to: Time,
}

/// The places of a path, an array for each member.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct Path {
    timestamp: Vec<Time>,
    latitude: Vec<f64>,
    longitude: Vec<f64>,
}

/// A trip of a device, which may still be open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'a> {
    pub(super) device: &'a str,
    pub(super) trip: &'a Trip,
    open: bool,
}

/// The trips of a device that begin in a span, in order of time, by a clock that shows `now`.
pub(super) fn trips_of<'a>(
    device: &'a str,
    found: &'a Found,
    span: &Range<i64>,
    now: i64,
) -> impl Iterator<Item = Of<'a>> {
    let ended = found.trips.iter().map(|trip| (trip, false));
    let last = found.last.iter().map(move |last| (&last.trip, now <= last.deadline));
    let span = span.clone();
    ended
        .chain(last)
        .filter(move |(trip, _)| span.contains(&trip.from))
        .map(move |(trip, open)| Of { device, trip, open })
}

/// A trip as an answer tells it.
pub(super) fn told(Of { device, trip, open }: Of<'_>, zone: &Zone, with_path: bool) -> Told {
    let place = |pair: Pair| Place {
        latitude: pair.latitude,
        longitude: pair.longitude,
    };
    let silences = trip.bridged.iter().map(|silence| Silence {
        from: time(silence.from),
        to: time(silence.to),
    });
    Told {
        device: device.to_owned(),
        date: zone.day(trip.from).to_string(),
        from: time(trip.from),
        to: time(trip.to),
        start: trip.start.map(place),
        end: trip.end.map(place),
        distance: trip.distance,
        duration: seconds(trip.to - trip.from),
        moving_time: seconds(trip.moving_time),
        top_speed: trip.top_speed,
        average_speed: trip.average_speed,
        fuel: trip.fuel,
        refuelled: trip.refuelled,
        bridged: silences.collect(),
        open,
        path: with_path.then(|| Path {
            timestamp: trip.path.iter().map(|place| time(place.time)).collect(),
            latitude: trip.path.iter().map(|place| place.latitude).collect(),
            longitude: trip.path.iter().map(|place| place.longitude).collect(),
        }),
    }
}

fn time(moment: i64) -> Time {
    Time(timestamp(moment))
}

/// A span of microseconds in seconds.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^52")]
fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}
