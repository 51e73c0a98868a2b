//! Places and tracks by a plain computation over whole series.

use super::fleet::Series;
use super::{SECOND, seconds};

/// The longest time between the two readings of one place.
const TOLERANCE: i64 = 10 * SECOND;

/// A place; its time is the later one of its two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) time: i64,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

/// The places of a device, in order of time: a latitude and a longitude, each the nearest to the other, and at most
/// [`TOLERANCE`] apart. Coordinates out of range, and exactly 0,0, are none.
pub(super) fn places(latitudes: &Series, longitudes: &Series) -> Vec<Place> {
    let mut places = Vec::new();
    for (time, latitude) in latitudes {
        let Some(other) = nearest(longitudes, *time, true) else {
            break;
        };
        let longitude = longitudes[&other];
        let is_mutual = nearest(latitudes, other, false) == Some(*time);
        let is_place = latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (*latitude != 0.0 || longitude != 0.0);
        if is_mutual && is_place && (other - time).abs() <= TOLERANCE {
            places.push(Place {
                time: *time.max(&other),
                latitude: *latitude,
                longitude,
            });
        }
    }
    places.sort_by_key(|place| place.time);
    places
}

/// The moment of a series that is nearest to another one; of two at equal distances the later or the earlier one.
fn nearest(series: &Series, moment: i64, prefers_later: bool) -> Option<i64> {
    let before = series.range(..=moment).next_back().map(|(time, _)| *time);
    let after = series.range(moment..).next().map(|(time, _)| *time);
    let (Some(earlier), Some(later)) = (before, after) else {
        return before.or(after);
    };
    let (back, on) = (moment - earlier, later - moment);
    let is_later = on < back || (on == back && prefers_later);
    Some(if is_later { later } else { earlier })
}

/// The value of a sensor that is nearest to a moment, within [`TOLERANCE`]; of two at equal distances the earlier one.
pub(super) fn value_near(series: &Series, moment: i64) -> Option<f64> {
    let near = nearest(series, moment, false)?;
    ((near - moment).abs() <= TOLERANCE).then(|| series[&near])
}

/// The distance of two places in metres, by the chord between them in space.
pub(super) fn metres(one: Place, other: Place) -> f64 {
    let vector = |place: Place| {
        let (latitude, longitude) = (place.latitude.to_radians(), place.longitude.to_radians());
        let around = latitude.cos();
        [around * longitude.cos(), around * longitude.sin(), latitude.sin()]
    };
    let (one, other) = (vector(one), vector(other));
    let squares = one.iter().zip(other).map(|(one, other)| (one - other).powi(2));
    let half = squares.sum::<f64>().sqrt() / 2.0;
    2.0 * 6_371_008.771_4 * half.min(1.0).asin()
}

/// A part of a track without a gap.
pub(super) struct Segment {
    pub(super) places: Vec<Place>,
    /// In metres, without steps above 250 km/h.
    pub(super) distance: f64,
    /// In seconds.
    pub(super) moving_time: f64,
}

/// The segments of a track. One ends at a gap of more than 2 minutes, or of ten median intervals if those are longer.
pub(super) fn segments(places: &[Place]) -> Vec<Segment> {
    let mut intervals: Vec<i64> = places.windows(2).map(|two| two[1].time - two[0].time).collect();
    intervals.sort_unstable();
    let median = intervals.get(intervals.len() / 2).copied().unwrap_or(0);
    let gap = (120 * SECOND).max(10 * median);
    let parts = places.chunk_by(|one, next| next.time - one.time <= gap);
    let segment = |places: &[Place]| Segment {
        distance: places.windows(2).map(|two| step(two[0], two[1])).sum(),
        moving_time: moving_time(places),
        places: places.to_vec(),
    };
    parts.map(segment).collect()
}

fn step(one: Place, next: Place) -> f64 {
    let metres = metres(one, next);
    let is_error = metres > 250.0 / 3.6 * seconds(next.time - one.time);
    if is_error { 0.0 } else { metres }
}

/// The time at 5 km/h or more, between places at least 30 s apart; the last place ends the last of these spans.
fn moving_time(places: &[Place]) -> f64 {
    let (mut moving, mut judged) = (0, places[0]);
    for (number, place) in places.iter().enumerate().skip(1) {
        let span = place.time - judged.time;
        if span < 30 * SECOND && number + 1 < places.len() {
            continue;
        }
        if span > 0 && metres(judged, *place) >= 5.0 / 3.6 * seconds(span) {
            moving += span;
        }
        judged = *place;
    }
    seconds(moving)
}

/// How far a place is from the line between two others, in metres on the plane that touches the earth there.
pub(super) fn metres_from(place: Place, one: Place, other: Place) -> f64 {
    let metres_of_degree = 6_371_008.771_4_f64.to_radians();
    let around = one.latitude.to_radians().cos();
    let plane = |place: Place| {
        let east = (place.longitude - one.longitude) * around * metres_of_degree;
        (east, (place.latitude - one.latitude) * metres_of_degree)
    };
    let (way, point) = (plane(other), plane(place));
    let squared = way.0 * way.0 + way.1 * way.1;
    let share = if squared > 0.0 {
        ((point.0 * way.0 + point.1 * way.1) / squared).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (point.0 - share * way.0).hypot(point.1 - share * way.1)
}

/// Fails unless each of all places is at most so many metres from the line through those that are kept. These are some
/// of them, with the first and the last one.
pub(super) fn check_line(kept: &[Place], all: &[Place], metres: f64, what: &str) {
    assert_eq!((kept.first(), kept.last()), (all.first(), all.last()), "{what}");
    let mut next = 0;
    for place in all {
        if kept.get(next) == Some(place) {
            next += 1;
            continue;
        }
        let away = metres_from(*place, kept[next - 1], kept[next]);
        assert!(away <= metres, "{what}: {place:?} is {away} m from the line");
    }
    assert_eq!(next, kept.len(), "{what}: they are not some of all places");
}
