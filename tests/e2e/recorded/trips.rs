//! Trips and their days.

use super::fleet::{DEVICES, DRIVES, Fleet, LATITUDE, LONGITUDE};
use super::places::{Place, check_line, places};
use super::zones::{ZONES, Zone, moment, text, utc_date};
use super::{is_close, seconds};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

#[path = "../../../internal/query/trips/tests/naive.rs"]
mod naive;

/// A trip of a device.
type Of = (&'static str, naive::Trip);

/// All trips of the fleet, in order of time, then of device.
fn expected(fleet: &Fleet) -> Vec<Of> {
    let mut all = Vec::new();
    for device in DEVICES {
        let values = |sensor| fleet.series(device, sensor).into_iter().collect();
        let recording = naive::Recording {
            speeds: values("speed"),
            fuel: values("fuel"),
            places: places_of(fleet, device)
                .iter()
                .map(|place| (place.time, place.latitude, place.longitude))
                .collect(),
        };
        let trips = naive::trips(&recording);
        assert!(trips.len() > 2, "{device}: {trips:?}");
        all.extend(trips.into_iter().map(|trip| (device, trip)));
    }
    all.sort_by_key(|(device, trip)| (trip.from, *device));
    all
}

fn places_of(fleet: &Fleet, device: &str) -> Vec<Place> {
    places(&fleet.series(device, LATITUDE), &fleet.series(device, LONGITUDE))
}

/// Spans of dates: the first days, the same with one more, and the last days.
fn spans(trips: &[Of]) -> Vec<(Date, Date)> {
    let (first, last) = (utc_date(trips[0].1.from), utc_date(trips[trips.len() - 1].1.from));
    let mut third = first;
    for _ in 0..3 {
        third = third.tomorrow().unwrap();
    }
    vec![
        (first, third),
        (first, third.tomorrow().unwrap()),
        (last.yesterday().unwrap(), last.tomorrow().unwrap()),
    ]
}

#[tokio::test]
async fn trips_and_their_days() {
    let fleet = Fleet::start(&DRIVES).await;
    let all = expected(&fleet);
    assert!(all.iter().any(|(_, trip)| trip.start.is_some()), "no trip has places");
    let mut dates: BTreeMap<(&str, i64), Vec<Date>> = BTreeMap::new();
    for zone in &ZONES {
        for (from, to) in spans(&all) {
            let span = zone.midnight(from)..zone.midnight(to);
            let query = format!("from={from}&to={to}&tz={}", zone.name);
            for device in [None, Some("gap"), Some("late"), Some("ordered")] {
                let within: Vec<&Of> = of_span(&all, &span, device).collect();
                let of = device.map(|device| format!("&device={device}")).unwrap_or_default();
                let found = fleet.ok(&format!("trips?{query}{of}")).await;
                check_all(&fleet, &found, &within, zone, &query);
                let found = fleet.ok(&format!("trips/days?{query}{of}")).await;
                check_days(&found, &within, zone, &query);
            }
        }
        for (device, trip) in &all {
            dates
                .entry((*device, trip.from))
                .or_default()
                .push(zone.date(trip.from));
        }
    }
    let differs = |dates: &Vec<Date>| dates.iter().any(|date| *date != dates[0]);
    assert!(dates.values().any(differs), "each trip has one date in all zones");
}

fn of_span<'a>(all: &'a [Of], span: &Range<i64>, device: Option<&str>) -> impl Iterator<Item = &'a Of> {
    all.iter()
        .filter(move |(of, trip)| span.contains(&trip.from) && device.is_none_or(|device| device == *of))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// Fails unless an answer has these trips.
fn check_all(fleet: &Fleet, found: &Value, expected: &[&Of], zone: &Zone, what: &str) {
    let found = list(&found["trips"]);
    let begin = |trip: &Value| (trip["device"].clone(), trip["from"].clone());
    let begins: Vec<(Value, Value)> = found.iter().map(begin).collect();
    let expected_begins = expected
        .iter()
        .map(|(device, trip)| (json!(device), json!(text(trip.from))));
    assert_eq!(begins, expected_begins.collect::<Vec<_>>(), "{what}");
    for (found, (device, trip)) in found.iter().zip(expected) {
        check(found, trip, zone, &format!("{what}: {device}: {found}, not {trip:?}"));
        if let Some(path) = found.get("path") {
            check_path(path, &places_of(fleet, device), trip, what);
        }
    }
}

/// Fails unless a trip is this one.
fn check(found: &Value, expected: &naive::Trip, zone: &Zone, what: &str) {
    let duration = seconds(expected.to - expected.from);
    assert_eq!(found["date"], zone.date(expected.from).to_string(), "{what}");
    assert_eq!(found["to"], text(expected.to), "{what}");
    assert_eq!(found["duration"], duration, "{what}");
    assert_eq!(found["movingTime"], seconds(expected.moving_time), "{what}");
    assert_eq!(found["open"], false, "{what}");
    for (member, expected) in [
        ("distance", expected.distance),
        ("topSpeed", expected.top_speed),
        ("averageSpeed", expected.distance / duration * 3.6),
    ] {
        assert!(is_close(&found[member], expected), "{what}: {member}");
    }
    for (member, expected) in [("fuel", expected.fuel), ("refuelled", expected.refuelled)] {
        match expected {
            Some(expected) => assert!(is_close(&found[member], expected), "{what}: {member}"),
            None => assert_eq!(found[member], Value::Null, "{what}: {member}"),
        }
    }
    let place = |place: Option<(f64, f64)>| match place {
        Some((latitude, longitude)) => json!({"latitude": latitude, "longitude": longitude}),
        None => Value::Null,
    };
    assert_eq!(found["start"], place(expected.start), "{what}");
    assert_eq!(found["end"], place(expected.end), "{what}");
    let silences = expected.bridged.iter();
    let silences: Vec<Value> = silences
        .map(|(from, to)| json!({"from": text(*from), "to": text(*to)}))
        .collect();
    assert_eq!(found["bridged"], Value::from(silences), "{what}");
}

/// Fails unless all places of a trip are within 20 m of its path.
fn check_path(path: &Value, places: &[Place], trip: &naive::Trip, what: &str) {
    let times = list(&path["timestamp"]).iter();
    let [latitudes, longitudes] = ["latitude", "longitude"].map(|member| list(&path[member]));
    let kept: Vec<Place> = times
        .zip(latitudes.iter().zip(longitudes))
        .map(|(time, (latitude, longitude))| Place {
            time: moment(time.as_str().unwrap()),
            latitude: latitude.as_f64().unwrap(),
            longitude: longitude.as_f64().unwrap(),
        })
        .collect();
    let at = |place: Option<&Place>| place.map(|place| (place.latitude, place.longitude));
    assert_eq!((at(kept.first()), at(kept.last())), (trip.start, trip.end), "{what}");
    let (Some(first), Some(last)) = (kept.first(), kept.last()) else {
        return;
    };
    assert!(last.time <= trip.to, "{what}");
    let mut all = places.to_vec();
    all.retain(|place| (first.time..=last.time).contains(&place.time));
    check_line(&kept, &all, 20.02, what);
}

/// Fails unless an answer counts these trips by date.
fn check_days(found: &Value, expected: &[&Of], zone: &Zone, what: &str) {
    let mut days: BTreeMap<String, (usize, f64, i64)> = BTreeMap::new();
    for (_, trip) in expected {
        let day = days.entry(zone.date(trip.from).to_string()).or_default();
        *day = (day.0 + 1, day.1 + trip.distance, day.2 + trip.moving_time);
    }
    let found = list(&found["days"]);
    assert_eq!(found.len(), days.len(), "{what}");
    for (found, (date, (trips, distance, moving_time))) in found.iter().zip(days) {
        let what = format!("{what}: {found}");
        assert_eq!(
            (&found["date"], &found["trips"]),
            (&json!(date), &json!(trips)),
            "{what}"
        );
        assert!(is_close(&found["distance"], distance), "{what}, not {distance} m");
        assert!(is_close(&found["movingTime"], seconds(moving_time)), "{what}");
    }
}

#[tokio::test]
async fn paths_and_the_newest_trips() {
    let fleet = Fleet::start(&DRIVES).await;
    let all = expected(&fleet);
    let mut with_path = 0;
    for zone in &ZONES[..2] {
        for (from, to) in spans(&all) {
            let span = zone.midnight(from)..zone.midnight(to);
            let query = format!("from={from}&to={to}&tz={}&with=path", zone.name);
            let mut within: Vec<&Of> = of_span(&all, &span, None).collect();
            let found = fleet.ok(&format!("trips?{query}")).await;
            check_all(&fleet, &found, &within, zone, &query);
            let paths = list(&found["trips"])
                .iter()
                .map(|trip| list(&trip["path"]["timestamp"]).len());
            with_path += paths.filter(|places| *places > 2).count();
            within.reverse();
            within.truncate(2);
            let found = fleet.ok(&format!("trips?{query}&limit=2")).await;
            check_all(&fleet, &found, &within, zone, &query);
        }
    }
    assert!(with_path > 0, "no path has a bend");
}
