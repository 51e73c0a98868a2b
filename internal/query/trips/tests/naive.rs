//! Trips computed from whole vectors, written apart from the code under test.

/// A time in microseconds, and a value or a place.
pub(super) type Values = Vec<(i64, f64)>;
pub(super) type Places = Vec<(i64, f64, f64)>;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// What is known of a device.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    pub(super) speeds: Values,
    pub(super) places: Places,
    pub(super) fuel: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trip {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) distance: f64,
    pub(super) moving_time: i64,
    pub(super) top_speed: f64,
    pub(super) fuel: Option<f64>,
    pub(super) refuelled: Option<f64>,
    pub(super) bridged: Vec<(i64, i64)>,
    pub(super) start: Option<(f64, f64)>,
    pub(super) end: Option<(f64, f64)>,
}

/// A speed or a place, with the speed that it tells.
#[derive(Clone, Copy, Debug)]
struct Moment {
    time: i64,
    place: Option<(f64, f64)>,
    speed: Option<f64>,
}

impl Moment {
    fn moves(&self) -> bool {
        self.speed.is_some_and(|speed| speed >= 5.0)
    }
}

/// The distance of two places by the angle between their vectors, in metres.
pub(super) fn metres(one: (f64, f64), other: (f64, f64)) -> f64 {
    let vector = |(latitude, longitude): (f64, f64)| {
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        [
            latitude.cos() * longitude.cos(),
            latitude.cos() * longitude.sin(),
            latitude.sin(),
        ]
    };
    let (a, b) = (vector(one), vector(other));
    let cross = [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ];
    let sine = cross.iter().map(|part| part * part).sum::<f64>().sqrt();
    let cosine: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    6_371_008.771_4 * sine.atan2(cosine)
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^52")]
fn seconds(time: i64) -> f64 {
    time as f64 / 1e6
}

fn moments(of: &Recording) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    for (at, (time, latitude, longitude)) in of.places.iter().enumerate() {
        let next = of.speeds.partition_point(|(other, _)| *other < time - 10 * SECOND);
        let is_near = of
            .speeds
            .get(next)
            .is_some_and(|(other, _)| *other <= time + 10 * SECOND);
        let before = of.places[..at].iter().rfind(|place| time - place.0 >= 30 * SECOND);
        let before = before.filter(|place| !is_near && time - place.0 <= 30 * MINUTE);
        let speed = before.map(|place| {
            let metres = metres((place.1, place.2), (*latitude, *longitude));
            metres / seconds(time - place.0) * 3.6
        });
        moments.push(Moment {
            time: *time,
            place: Some((*latitude, *longitude)),
            speed: speed.filter(|speed| *speed <= 250.0),
        });
    }
    moments.extend(of.speeds.iter().map(|(time, speed)| Moment {
        time: *time,
        place: None,
        speed: Some(*speed),
    }));
    // Stable: places come first.
    moments.sort_by_key(|moment| moment.time);
    moments
}

/// The last place at or before a moment, with its time.
fn place_before(moments: &[Moment], at: usize) -> Option<(i64, (f64, f64))> {
    moments[..=at]
        .iter()
        .rev()
        .find_map(|moment| Some((moment.time, moment.place?)))
}

/// Whether the vehicle has not moved in the silence before this moment.
fn stood_still(moments: &[Moment], at: usize) -> bool {
    let before = place_before(moments, at - 1).filter(|(time, _)| moments[at - 1].time - time <= 10 * SECOND);
    let mut near = moments[at..]
        .iter()
        .take_while(|moment| moment.time <= moments[at].time + 10 * SECOND);
    match (before, near.find_map(|moment| moment.place)) {
        (Some((_, one)), Some(other)) => metres(one, other) <= 200.0,
        _ => {
            let last = moments[..at].iter().rev().find_map(|moment| moment.speed);
            last.is_some_and(|speed| speed < 5.0)
        }
    }
}

/// Whether the vehicle stands at this moment for five minutes, looking back to `since`, exclusive.
fn stands(moments: &[Moment], since: usize, at: usize) -> bool {
    let mut still: Option<(i64, Option<(f64, f64)>)> = None;
    for number in since + 1..=at {
        let moment = moments[number];
        if let (Some((_, anchor)), Some(place)) = (&mut still, moment.place) {
            match *anchor {
                Some(stood) if metres(stood, place) > 100.0 => still = Some((moment.time, Some(place))),
                Some(_) => {}
                None => *anchor = Some(place),
            }
        }
        if moment.speed.is_some() && still.is_none() {
            let place = place_before(moments, number).filter(|(time, _)| moment.time - time <= 10 * SECOND);
            still = Some((moment.time, place.map(|(_, place)| place)));
        }
    }
    still.is_some_and(|(since, _)| moments[at].time - since >= 5 * MINUTE)
}

pub(super) fn trips(of: &Recording) -> Vec<Trip> {
    let mut of = of.clone();
    of.speeds.retain(|(_, speed)| *speed >= 0.0 && *speed <= 250.0);
    of.fuel.retain(|(_, level)| level.abs() <= 1e6);
    let of = &of;
    let moments = moments(of);
    let mut trips = Vec::new();
    let mut at = 0;
    while at < moments.len() {
        if !moments[at].moves() {
            at += 1;
            continue;
        }
        let (start, mut end, mut since) = (at, at, at);
        let mut bridged = Vec::new();
        at += 1;
        while at < moments.len() {
            let gap = moments[at].time - moments[at - 1].time;
            if gap > 30 * MINUTE || (gap > 5 * MINUTE && stood_still(&moments, at)) {
                break;
            }
            if gap > 5 * MINUTE {
                bridged.push((moments[at - 1].time, moments[at].time));
                since = at - 1;
            }
            if moments[at].moves() {
                (end, since) = (at, at);
            } else if stands(&moments, since, at) {
                at += 1;
                break;
            }
            at += 1;
        }
        bridged.retain(|(_, to)| *to <= moments[end].time);
        trips.extend(trip(of, &moments, start, end, bridged));
    }
    trips
}

fn trip(of: &Recording, moments: &[Moment], start: usize, end: usize, bridged: Vec<(i64, i64)>) -> Option<Trip> {
    let (from, to) = (moments[start].time, moments[end].time);
    let first = place_before(moments, start).filter(|(time, _)| from - time <= 30 * SECOND);
    // Each with the number of its moment.
    let mut visited: Vec<(usize, i64, (f64, f64), bool)> = first
        .map(|(time, place)| (start, time, place, true))
        .into_iter()
        .collect();
    let mut moving = true;
    for (number, moment) in (start + 1..=end).zip(&moments[start + 1..=end]) {
        moving = if moment.speed.is_some() { moment.moves() } else { moving };
        visited.extend(moment.place.map(|place| (number, moment.time, place, moving)));
    }
    let told: Vec<(usize, i64, f64)> = (start..=end)
        .filter_map(|number| Some((number, moments[number].time, moments[number].speed?)))
        .collect();
    // By speeds after one moment, up to another one.
    let driven = |from: usize, to: usize| -> f64 {
        let parts = told.windows(2).filter(|two| {
            let short = two[1].1 - two[0].1 <= 5 * MINUTE;
            short && two[1].0 > from && two[1].0 <= to
        });
        parts
            .map(|two| (two[0].2 + two[1].2) / 2.0 / 3.6 * seconds(two[1].1 - two[0].1))
            .sum()
    };
    let unseen = |(number, time): (usize, i64), (until, end): (usize, i64)| {
        if end - time > 5 * MINUTE {
            driven(number, until)
        } else {
            0.0
        }
    };
    let (mut stepped, mut farthest, mut count, mut blind) = (0.0, 0.0_f64, 0, 0.0);
    let (mut anchor, mut last) = (None, None);
    let mut last_moment = (start, from);
    for (number, time, place, moving) in &visited {
        let lost = unseen(last_moment, (*number, *time));
        if let (Some(anchor_place), Some(last_place)) = (anchor, last) {
            let way = metres(last_place, *place);
            if way > 0.0 && (*time <= last_moment.1 || way * 3.6 / seconds(time - last_moment.1) > 250.0) {
                continue;
            }
            farthest = farthest.max(metres(visited[0].2, *place));
            let step = metres(anchor_place, *place);
            let step = if *moving && step >= 15.0 { step } else { 0.0 };
            if step > 0.0 || lost > 0.0 {
                stepped += step.max(lost);
                anchor = Some(*place);
            }
        } else {
            stepped += lost;
            anchor = Some(*place);
        }
        blind += lost;
        (count, last, last_moment) = (count + 1, Some(*place), (*number, *time));
    }
    let rest = unseen(last_moment, (end, to));
    (stepped, blind) = (stepped + rest, blind + rest);
    let mut moving_time = 0;
    for two in told.windows(2) {
        let span = two[1].1 - two[0].1;
        if span <= 5 * MINUTE && two[1].2 >= 5.0 {
            moving_time += span;
        }
    }
    let medians = told.windows(3).map(|three| {
        let mut speeds = [three[0].2, three[1].2, three[2].2];
        speeds.sort_by(f64::total_cmp);
        speeds[1]
    });
    let least = told.iter().map(|(_, _, speed)| *speed).min_by(f64::total_cmp).unwrap();
    let top_speed = medians.max_by(f64::total_cmp).unwrap_or(least);
    let distance = if count >= 2 { stepped } else { driven(start, end) };
    let is_read = told.iter().any(|(number, _, _)| moments[*number].place.is_none());
    if count >= 2 && !is_read && farthest < distance * 0.01 {
        return None;
    }
    if (count >= 2 && farthest.max(blind) <= 150.0) || distance < 300.0 || to - from < MINUTE {
        return None;
    }
    let slow = told.iter().filter(|(_, _, speed)| *speed < 5.0).map(|one| one.1);
    let stops: Vec<i64> = slow.chain(bridged.iter().map(|silence| silence.1)).collect();
    let (fuel, refuelled) = fuel(of, from, to, &stops);
    Some(Trip {
        from,
        to,
        distance,
        moving_time,
        top_speed,
        fuel,
        refuelled,
        bridged,
        start: visited.first().map(|(_, _, place, _)| *place),
        end: last,
    })
}

fn fuel(of: &Recording, from: i64, to: i64, stops: &[i64]) -> (Option<f64>, Option<f64>) {
    // When each window begins, and its level.
    let mut levels = Vec::new();
    for number in 0..=(to - from) / (2 * MINUTE) {
        let begins = from + number * 2 * MINUTE;
        let within = of
            .fuel
            .iter()
            .filter(|(time, _)| *time <= to && (begins..begins + 2 * MINUTE).contains(time));
        let mut values: Vec<f64> = within.map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        levels.extend(values.get(values.len() / 2).map(|level| (begins, *level)));
    }
    if levels.len() < 2 {
        return (None, None);
    }
    let (mut used, mut refuelled) = (0.0_f64, 0.0);
    for two in levels.windows(2) {
        let rise = two[1].1 - two[0].1;
        let around = two[0].0..two[1].0 + 2 * MINUTE;
        if rise >= 5.0 && stops.iter().any(|stop| around.contains(stop)) {
            refuelled += rise;
        } else {
            used = (used - rise).max(0.0);
        }
    }
    (Some(used), Some(refuelled))
}
