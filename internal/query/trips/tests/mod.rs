//! Trips, compared with an independent computation.

mod drives;
mod naive;
mod stored;

use super::moving::{Moving, SPEED, Step};
use super::rules::Machine;
use super::thresholds::{Rules, Thresholds};
use super::trip::Trip;
use crate::words::places::{Event, Reading};
use drives::drive;
use jiff::Timestamp;
use naive::Recording;
use proptest::prelude::*;
use reading::pairing::Pair;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// When recordings begin.
const START: i64 = 1_600_000_000 * SECOND;

fn rules() -> Rules {
    Rules::new(&Thresholds::default(), Duration::from_secs(10))
}

/// The machine after this recording, of which only what comes from `since` on was read.
fn machine(of: &Recording, since: i64) -> Machine {
    let reading = |sensor| {
        move |(time, value): &(i64, f64)| {
            Event::Reading(Reading {
                sensor,
                time: *time,
                value: *value,
            })
        }
    };
    let place = |(time, latitude, longitude): &(i64, f64, f64)| {
        Event::Place(Pair {
            latitude: *latitude,
            longitude: *longitude,
            time: *time,
        })
    };
    let mut events: Vec<Event> = of.places.iter().map(place).collect();
    events.extend(of.speeds.iter().map(reading(SPEED)));
    events.extend(of.fuel.iter().map(reading(SPEED + 1)));
    events.retain(|event| event.time() >= since);
    events.sort_by_key(|event| event.time());
    let (mut moving, mut machine) = (Moving::new(rules()), Machine::new(since, rules()));
    for event in events {
        moving.take(event);
        while let Some(step) = moving.pop() {
            machine.take(step);
        }
    }
    moving.reach(i64::MAX);
    while let Some(step) = moving.pop() {
        machine.take(step);
    }
    machine
}

fn trips(machine: Machine) -> Vec<Trip> {
    let (mut trips, last) = machine.finish();
    trips.extend(last.map(|last| last.trip));
    trips
}

/// The trips by the state machine.
fn found(of: &Recording) -> Vec<Trip> {
    trips(machine(of, 0))
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-6 * one.abs().max(1.0)
}

/// Fails where a trip differs from the expected one.
fn check(found: &[Trip], expected: &[naive::Trip], what: &str) {
    let spans = |trip: &Trip| (trip.from, trip.to);
    let expected_spans: Vec<(i64, i64)> = expected.iter().map(|trip| (trip.from, trip.to)).collect();
    let found_spans: Vec<(i64, i64)> = found.iter().map(spans).collect();
    assert_eq!(found_spans, expected_spans, "{what}");
    for (trip, expected) in found.iter().zip(expected) {
        let what = format!("{what}: {trip:?}, not {expected:?}");
        assert_eq!(trip.moving_time, expected.moving_time, "{what}");
        assert!(close(trip.distance, expected.distance), "{what}");
        assert!(
            trip.top_speed.is_some_and(|top| close(top, expected.top_speed)),
            "{what}"
        );
        for (one, other) in [(trip.fuel, expected.fuel), (trip.refuelled, expected.refuelled)] {
            assert_eq!(one.is_some(), other.is_some(), "{what}");
            assert!(close(one.unwrap_or(0.0), other.unwrap_or(0.0)), "{what}");
        }
        let bridged: Vec<(i64, i64)> = trip.bridged.iter().map(|silence| (silence.from, silence.to)).collect();
        assert_eq!(bridged, expected.bridged, "{what}");
        let place = |pair: Option<Pair>| pair.map(|pair| (pair.latitude, pair.longitude));
        assert_eq!(
            (place(trip.start), place(trip.end)),
            (expected.start, expected.end),
            "{what}"
        );
    }
}

#[test]
fn random_drives_have_the_trips_of_an_independent_computation() {
    let (mut trips, mut bridged) = (0, 0);
    for seed in 0..300 {
        let recording = drive(seed, START, 14);
        let expected = naive::trips(&recording);
        check(&found(&recording), &expected, &format!("seed {seed}"));
        trips += expected.len();
        bridged += expected.iter().map(|trip| trip.bridged.len()).sum::<usize>();
    }
    assert!(trips > 200 && bridged > 10, "{trips} trips, {bridged} silences in them");
}

/// Its trips from a moment on, if they do not depend on what was before `since`.
fn settled(of: &Recording, since: i64, from: i64) -> Option<Vec<Trip>> {
    let machine = machine(of, since);
    machine.is_settled_by(from).then(|| {
        let mut trips = trips(machine);
        trips.retain(|trip| trip.from >= from);
        trips
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn trips_do_not_depend_on_where_reading_begins(
        seed in 0..1_000_000_u64,
        since in 0..100_i64,
        share in 0..100_i64,
        hole in 0..100_i64,
    ) {
        let mut of = drive(seed, START, 14);
        let times = || of.speeds.iter().map(|one| one.0).chain(of.places.iter().map(|one| one.0));
        let (first, last) = (times().min().unwrap_or(START), times().max().unwrap_or(START));
        let part = |from: i64, share: i64| from + (last - from) / 100 * share;
        // Without places for a while.
        let lost = part(first, hole)..part(first, hole) + 20 * MINUTE;
        of.places.retain(|place| !lost.contains(&place.0));
        let since = part(first, since);
        let from = part(since, share);
        let mut all = found(&of);
        all.retain(|trip| trip.from >= from);
        prop_assert_eq!(settled(&of, since, from).unwrap_or_else(|| all.clone()), all);
    }
}

#[test]
fn a_place_of_long_ago_is_not_where_a_vehicle_stands() {
    let mut of = Recording::default();
    let at = at_speed(&mut of, START, 3600, 0.0);
    of.places = (0..600).map(|second| (START + second * SECOND, 45.0, 13.0)).collect();
    // It drives and stands without places. They come back before it has stood for long.
    let at = at_speed(&mut of, at, 1800, 50.0);
    let stop = at;
    let at = at_speed(&mut of, at, 400, 0.0);
    at_speed(&mut of, at, 1800, 50.0);
    of.places.extend((240..2200_i32).map(|second| {
        let north = 45.0 + f64::from((second - 400).max(0)) * 1e-4;
        (stop + i64::from(second) * SECOND, north, 13.5)
    }));
    let all = found(&of);
    check(&all, &naive::trips(&of), "a hole");
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(settled(&of, START + 700 * SECOND, stop - 1800 * SECOND), Some(all));
}

#[test]
fn recordings_have_the_trips_of_an_independent_computation() {
    let Some(folder) = testutil::recordings() else {
        return;
    };
    for name in ["drive1", "live1", "long1", "idle1", "visnjan-car"] {
        let file = folder.join(format!("{name}.ndjson.gz"));
        let output = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", file.display());
        let mut sensors: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let time: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
            let sensor = sensors.entry(line["sensor"].as_str().unwrap().to_owned()).or_default();
            sensor
                .entry(time.as_microsecond())
                .or_insert(line["value"].as_f64().unwrap());
        }
        let of = |sensor: &str| sensors.get(sensor).cloned().unwrap_or_default();
        let longitudes = of("location_longitude");
        // Both are of one moment there.
        let places = of("location_latitude").into_iter();
        let recording = Recording {
            speeds: of("speed").into_iter().collect(),
            fuel: of("fuel").into_iter().collect(),
            places: places.map(|(time, north)| (time, north, longitudes[&time])).collect(),
        };
        assert!(recording.speeds.len() + recording.places.len() > 0, "{name}");
        check(&found(&recording), &naive::trips(&recording), name);
    }
}

/// Speeds are no longer held once they were told, so places are not judged by those behind them.
#[test]
fn what_is_held_is_counted() {
    let reading = |time| {
        Event::Reading(Reading {
            sensor: SPEED,
            time,
            value: 0.0,
        })
    };
    let place = |time| {
        Event::Place(Pair {
            latitude: 45.0,
            longitude: 13.0,
            time,
        })
    };
    let mut moving = Moving::new(rules());
    for second in 0..5 {
        moving.take(reading(second * SECOND));
    }
    assert_eq!(moving.held(), 5);
    moving.take(place(60 * SECOND));
    moving.take(place(90 * SECOND));
    moving.reach(i64::MAX);
    let mut speeds = Vec::new();
    while let Some(step) = moving.pop() {
        let Step::Moment(moment) = step else { panic!("{step:?}") };
        speeds.extend(moment.place.map(|_| moment.speed));
    }
    // The second one tells a speed by the first one.
    assert_eq!(speeds, [None, Some(0.0)]);
    assert_eq!(moving.held(), 2);
}

/// A speed each second.
fn at_speed(of: &mut Recording, from: i64, seconds: i64, speed: f64) -> i64 {
    for second in 0..seconds {
        of.speeds.push((from + second * SECOND, speed));
    }
    from + seconds * SECOND
}

#[test]
fn speeds_alone_make_trips() {
    let mut of = Recording::default();
    let start = 1_600_000_000 * SECOND;
    let at = at_speed(&mut of, start, 600, 60.0);
    // Four minutes of standing are a part of it, five are its end.
    let at = at_speed(&mut of, at, 240, 0.0);
    let at = at_speed(&mut of, at, 60, 36.0);
    let end = at - SECOND;
    let at = at_speed(&mut of, at, 360, 0.0);
    // Too short in time.
    let at = at_speed(&mut of, at, 30, 90.0);
    at_speed(&mut of, at, 360, 0.0);
    let trips = found(&of);
    check(&trips, &naive::trips(&of), "speeds alone");
    let [trip] = trips.as_slice() else { panic!("{trips:?}") };
    assert_eq!((trip.from, trip.to), (start, end));
    assert!((trip.distance - 10_610.0).abs() < 50.0, "{}", trip.distance);
    assert_eq!((trip.top_speed, trip.start, trip.fuel), (Some(60.0), None, None));
}

#[test]
fn a_silence_ends_a_trip_or_is_bridged() {
    for (minutes, last_speed, trips) in [(4, 0.0, 1), (10, 60.0, 1), (10, 0.0, 2), (31, 60.0, 2)] {
        let mut of = Recording::default();
        let at = at_speed(&mut of, 1_600_000_000 * SECOND, 300, 60.0);
        let at = at_speed(&mut of, at, 5, last_speed);
        at_speed(&mut of, at + minutes * MINUTE, 300, 60.0);
        let found = found(&of);
        check(
            &found,
            &naive::trips(&of),
            &format!("{minutes} minutes after {last_speed} km/h"),
        );
        assert_eq!(found.len(), trips, "{minutes} minutes after {last_speed} km/h");
        let bridged = usize::from(minutes == 10 && trips == 1);
        assert_eq!(found[0].bridged.len(), bridged);
    }
}

/// Places each second, at these metres to the north.
fn at_metres(of: &mut Recording, from: i64, metres: impl IntoIterator<Item = f64>) {
    let place = |(second, metres): (i64, f64)| (from + second * SECOND, 45.0 + metres / 111_195.0, 13.0);
    of.places.extend((0..).zip(metres).map(place));
}

#[test]
fn one_wrong_place_after_a_stop_adds_no_way() {
    let mut of = Recording::default();
    let at = at_speed(&mut of, START, 600, 36.0);
    let at = at_speed(&mut of, at, 240, 0.0);
    at_speed(&mut of, at, 600, 36.0);
    at_metres(
        &mut of,
        START,
        (0..1440_i32).map(|second| {
            let driven = f64::from(second.min(600) + (second - 840).max(0)) * 10.0;
            // By a step of four minutes before, it would be slow.
            if second == 842 { driven + 12_000.0 } else { driven }
        }),
    );
    let trips = found(&of);
    check(&trips, &naive::trips(&of), "a wrong place");
    let [trip] = trips.as_slice() else { panic!("{trips:?}") };
    assert!((trip.distance - 12_000.0).abs() < 50.0, "{}", trip.distance);
}

#[test]
fn a_path_is_near_places_of_crawling_too() {
    let mut of = Recording::default();
    let at = at_speed(&mut of, START, 600, 60.0);
    // To the east and back, below the speed that is moving, and never standing.
    let at = at_speed(&mut of, at, 400, 4.5);
    at_speed(&mut of, at, 600, 60.0);
    let (mut north, mut east) = (45.0, 13.0);
    for second in 0..1600_i32 {
        match second {
            600..800 => east += 1.25 / 78_600.0,
            800..1000 => east -= 1.25 / 78_600.0,
            _ => north += 16.7 / 111_195.0,
        }
        of.places.push((START + i64::from(second) * SECOND, north, east));
    }
    let trips = found(&of);
    let [trip] = trips.as_slice() else { panic!("{trips:?}") };
    let farthest = trip.path.iter().map(|place| place.longitude).fold(13.0, f64::max);
    assert!((farthest - 13.0) * 78_600.0 > 230.0, "{:?}", trip.path);
}

#[test]
fn impossible_speeds_are_none() {
    for wrong in [65_535.0, -5.0, 1e308] {
        let mut of = Recording::default();
        let at = at_speed(&mut of, START, 600, 0.0);
        let at = at_speed(&mut of, at, 120, wrong);
        at_speed(&mut of, at, 600, 0.0);
        assert!(found(&of).is_empty(), "{wrong}");
        // Within a trip they say nothing.
        let at = at_speed(&mut of, START + 3600 * SECOND, 300, 60.0);
        let at = at_speed(&mut of, at, 60, wrong);
        at_speed(&mut of, at, 300, 60.0);
        let levels = [1e308, -1e308, 50.0, 49.0];
        of.fuel = (0..600_i32)
            .map(|second| {
                let level = levels[usize::try_from(second).unwrap() % 4];
                (START + 3600 * SECOND + i64::from(second) * SECOND, level)
            })
            .collect();
        let trips = found(&of);
        check(&trips, &naive::trips(&of), "impossible speeds");
        let [trip] = trips.as_slice() else { panic!("{trips:?}") };
        assert_eq!((trip.top_speed, trip.refuelled), (Some(60.0), Some(0.0)));
        assert!((trip.distance - 11_000.0).abs() < 50.0, "{}", trip.distance);
    }
}

#[test]
fn the_way_without_places_counts_by_speed() {
    // Lost after 100 s until the end, or until the last 100 s; or for the first 700 s. Driven in circles meanwhile.
    for (first, again) in [(0..100, 1800..1800), (0..100, 1700..1800), (0..0, 700..1800)] {
        let mut of = Recording::default();
        at_speed(&mut of, START, 1800, 36.0);
        let lost: i64 = again.start - first.end;
        for second in first.chain(again.clone()) {
            let driven = if again.contains(&second) { second - lost } else { second };
            let at = START + second * SECOND;
            at_metres(&mut of, at, [f64::from(i32::try_from(driven).unwrap()) * 10.0]);
        }
        let trips = found(&of);
        check(&trips, &naive::trips(&of), "lost places");
        let [trip] = trips.as_slice() else { panic!("{trips:?}") };
        assert!((trip.distance - 18_000.0).abs() < 100.0, "{}", trip.distance);
    }
}

#[test]
fn few_places_alone_make_trips() {
    let mut of = Recording::default();
    // One each 8 minutes, at 60 km/h.
    for number in 0..15_i32 {
        at_metres(
            &mut of,
            START + i64::from(number) * 8 * MINUTE,
            [f64::from(number) * 8000.0],
        );
    }
    let trips = found(&of);
    check(&trips, &naive::trips(&of), "few places");
    let [trip] = trips.as_slice() else { panic!("{trips:?}") };
    // It moved before the second one; when it began is unknown.
    assert_eq!((trip.from, trip.to), (START + 8 * MINUTE, START + 14 * 8 * MINUTE));
    assert!((trip.distance - 104_000.0).abs() < 50.0, "{}", trip.distance);
    assert_eq!((trip.bridged.len(), trip.moving_time), (13, 0));
}

#[test]
fn a_parked_vehicle_whose_places_wander_has_no_trip() {
    let mut of = Recording::default();
    for number in 0..180_i32 {
        let wandered = f64::from(number % 2) * 160.0;
        at_metres(&mut of, START + i64::from(number) * 40 * SECOND, [wandered]);
    }
    assert!(naive::trips(&of).is_empty() && found(&of).is_empty());
    // With a sensor of speed, it drives to and fro.
    of.speeds = of.places.iter().map(|place| (place.0, 14.4)).collect();
    let trips = found(&of);
    check(&trips, &naive::trips(&of), "to and fro");
    assert_eq!(trips.len(), 1);
}

#[test]
fn one_wrong_speed_is_not_the_top_speed() {
    let mut of = Recording::default();
    let at = at_speed(&mut of, 1_600_000_000 * SECOND, 100, 50.0);
    let at = at_speed(&mut of, at, 1, 240.0);
    at_speed(&mut of, at, 100, 50.0);
    assert_eq!(found(&of)[0].top_speed, Some(50.0));
}

#[test]
fn fuel_is_what_was_used_and_refuelling_is_apart() {
    let mut of = Recording::default();
    let start = 1_600_000_000 * SECOND;
    let at = at_speed(&mut of, start, 600, 60.0);
    let at = at_speed(&mut of, at, 60, 0.0);
    at_speed(&mut of, at, 540, 60.0);
    // It falls by 0.5 in two minutes, sloshes, and is filled up by 30 after ten minutes.
    for second in 0..1200_i32 {
        let slosh = if second % 7 == 0 { 4.0 } else { 0.0 };
        let filled = if second >= 600 { 30.0 } else { 0.0 };
        let level = 50.0 - 0.5 * f64::from(second / 120) + slosh + filled;
        of.fuel.push((start + i64::from(second) * SECOND, level));
    }
    let trips = found(&of);
    check(&trips, &naive::trips(&of), "fuel");
    assert_eq!((trips[0].fuel, trips[0].refuelled), (Some(4.0), Some(29.5)));
}

#[test]
fn fuel_that_rises_while_driving_is_not_refuelling() {
    let mut of = Recording::default();
    at_speed(&mut of, START, 1200, 60.0);
    // The first level is much too low. Uphill, it is six higher for some minutes.
    for second in 0..1200_i32 {
        let level = match second {
            0..120 => 20.0,
            480..720 => 56.0,
            _ => 50.0 - f64::from(second / 600),
        };
        of.fuel.push((START + i64::from(second) * SECOND, level));
    }
    let trips = found(&of);
    check(&trips, &naive::trips(&of), "fuel uphill");
    assert_eq!((trips[0].fuel, trips[0].refuelled), (Some(7.0), Some(0.0)));
}
