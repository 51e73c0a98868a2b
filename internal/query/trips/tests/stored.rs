//! Trips over HTTP, of stored readings.

use super::drives::{Random, drive};
use super::naive::{self, Recording};
use super::{MINUTE, SECOND};
use crate::tests::Api;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write;

/// Rows of a statement.
const ROWS: usize = 5000;

fn text(time: i64) -> String {
    Timestamp::from_microsecond(time).unwrap().to_string()
}

/// Makes the partition of each of these months, by a reading of another device.
async fn prepare(api: &Api, months: &[&str]) {
    for month in months {
        api.add(&[("other", "rpm", &format!("{month}-01T00:00:00Z"), 1.0)])
            .await;
    }
}

/// Stores readings of a series, and counts their days.
async fn store(api: &Api, device: &str, sensor: &str, readings: &[(i64, f64)]) {
    for rows in readings.chunks(ROWS) {
        let mut values = String::new();
        for (time, value) in rows {
            let comma = if values.is_empty() { "" } else { ", " };
            let _written = write!(values, "{comma}('{}'::timestamptz, {value:?}::float8)", text(*time));
        }
        api.execute(&format!(
            "CREATE TEMPORARY TABLE given AS SELECT * FROM (VALUES {values}) AS given (moment, value);
             INSERT INTO series (device, sensor, latest_timestamp, latest_value)
             SELECT '{device}', '{sensor}', moment, value FROM given ORDER BY moment DESC LIMIT 1
             ON CONFLICT (device, sensor) DO UPDATE SET
                 latest_timestamp = greatest(series.latest_timestamp, excluded.latest_timestamp);
             INSERT INTO reading SELECT id, moment, value FROM given, series
             WHERE device = '{device}' AND sensor = '{sensor}' ON CONFLICT DO NOTHING;
             INSERT INTO day SELECT DISTINCT (moment AT TIME ZONE 'UTC')::date, 1 FROM given
             ON CONFLICT (day) DO UPDATE SET version = day.version + 1;
             DROP TABLE given"
        ))
        .await;
    }
}

async fn store_all(api: &Api, device: &str, of: &Recording) {
    store(api, device, "speed", &of.speeds).await;
    store(api, device, "fuel", &of.fuel).await;
    let latitudes: Vec<(i64, f64)> = of.places.iter().map(|(time, north, _)| (*time, *north)).collect();
    let longitudes: Vec<(i64, f64)> = of.places.iter().map(|(time, _, east)| (*time, *east)).collect();
    store(api, device, "location_latitude", &latitudes).await;
    store(api, device, "location_longitude", &longitudes).await;
}

fn path(device: &str, from: i64, to: i64) -> String {
    format!("/api/trips?device={device}&from={}&to={}", text(from), text(to))
}

/// Fails unless the trips of a span are the expected ones that begin there.
async fn check(api: &Api, device: &str, all: &[naive::Trip], (from, to): (i64, i64)) {
    let answer = api.ok(&path(device, from, to)).await;
    let told: Vec<(String, String)> = answer["trips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trip| {
            let time = |name: &str| trip[name].as_str().unwrap().parse::<Timestamp>().unwrap().to_string();
            (time("from"), time("to"))
        })
        .collect();
    let within = |trip: &&naive::Trip| (from..to).contains(&trip.from);
    let expected: Vec<&naive::Trip> = all.iter().filter(within).collect();
    let spans: Vec<(String, String)> = expected.iter().map(|trip| (text(trip.from), text(trip.to))).collect();
    assert_eq!(told, spans, "{} to {}", text(from), text(to));
    for (trip, expected) in answer["trips"].as_array().unwrap().iter().zip(expected) {
        let distance = trip["distance"].as_f64().unwrap();
        assert!((distance - expected.distance).abs() <= 1e-6 * distance, "{trip}");
        assert_eq!(
            trip["bridged"].as_array().unwrap().len(),
            expected.bridged.len(),
            "{trip}"
        );
        assert_eq!(trip["open"], false, "{trip}");
        assert!(trip.get("path").is_none(), "{trip}");
    }
}

#[tokio::test]
async fn any_span_has_the_trips_that_begin_in_it() {
    let api = Api::start().await;
    prepare(&api, &["2021-02", "2021-03"]).await;
    let start = "2021-02-28T12:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    let of = drive(7, start, 100);
    store_all(&api, "lada", &of).await;
    let trips = naive::trips(&of);
    assert!(trips.len() > 5, "{} trips", trips.len());
    let last = of.speeds.last().unwrap().0;
    check(&api, "lada", &trips, (start - 1, last + 1)).await;
    let mut random = Random::new(1);
    for _ in 0..12 {
        let from = start + random.below((last - start) / MINUTE) * MINUTE;
        let to = from + 1 + random.below(6 * 60) * MINUTE;
        check(&api, "lada", &trips, (from, to)).await;
    }
    // In the middle of a trip.
    for trip in trips.iter().take(3) {
        check(&api, "lada", &trips, (trip.from, trip.from + 1)).await;
        check(&api, "lada", &trips, (trip.from + 1, last)).await;
    }
}

#[tokio::test]
async fn late_readings_change_what_was_kept() {
    let api = Api::start().await;
    prepare(&api, &["2021-03"]).await;
    let start = "2021-03-05T06:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    let of = drive(11, start, 60);
    let span = (start - MINUTE, start + 24 * 60 * MINUTE);
    // Every second reading comes a day late, some of them twice.
    let early = Recording {
        speeds: of.speeds.iter().copied().step_by(2).collect(),
        ..Recording::default()
    };
    store_all(&api, "lada", &early).await;
    for _ in 0..2 {
        check(&api, "lada", &naive::trips(&early), span).await;
    }
    store_all(&api, "lada", &of).await;
    for _ in 0..2 {
        check(&api, "lada", &naive::trips(&of), span).await;
    }
}

/// How many trips an answer has.
fn count(answer: &Value) -> usize {
    answer["trips"].as_array().unwrap().len()
}

#[tokio::test]
async fn whole_days_are_kept_until_they_change() {
    let api = Api::start().await;
    prepare(&api, &["2021-03"]).await;
    let start = "2021-03-05T06:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    store(&api, "lada", "speed", &speeds(start)).await;
    assert_eq!(count(&api.ok(&path("lada", start, start + MINUTE)).await), 1);
    // What is told from now on was kept.
    api.execute("DELETE FROM reading").await;
    assert_eq!(count(&api.ok(&path("lada", start - 1, start + 2 * MINUTE)).await), 1);
    assert_eq!(count(&api.ok(&path("lada", start + 1, start + 2 * MINUTE)).await), 0);
    api.execute("UPDATE day SET version = version + 1").await;
    assert_eq!(count(&api.ok(&path("lada", start, start + MINUTE)).await), 0);
}

#[tokio::test]
async fn what_is_older_than_yesterday_is_kept_while_readings_come() {
    let api = Api::start().await;
    let now = Timestamp::now().as_microsecond();
    let old = now - 4 * 24 * 60 * MINUTE;
    let months: Vec<String> = [old, now].iter().map(|time| text(*time)[..7].to_owned()).collect();
    let mut months: Vec<&str> = months.iter().map(String::as_str).collect();
    months.dedup();
    prepare(&api, &months).await;
    store(&api, "lada", "speed", &speeds(old)).await;
    assert_eq!(count(&api.ok("/api/trips?device=lada").await), 1);
    api.execute("DELETE FROM reading").await;
    store(&api, "lada", "speed", &[(now, 0.0)]).await;
    assert_eq!(count(&api.ok("/api/trips?device=lada").await), 1);
}

#[tokio::test]
async fn a_limit_asks_for_the_newest() {
    let api = Api::start().await;
    prepare(&api, &["2021-03"]).await;
    let start = "2021-03-05T06:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    for (device, hour) in [("lada", 0), ("niva", 1), ("lada", 2)] {
        store(&api, device, "speed", &speeds(start + hour * 60 * MINUTE)).await;
    }
    let span = "/api/trips?from=2021-03-05&to=2021-03-06&limit=";
    let answer = api.ok(&format!("{span}2")).await;
    let told: Vec<&Value> = answer["trips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trip| &trip["from"])
        .collect();
    assert_eq!(told, [&json!("2021-03-05T08:00:00Z"), &json!("2021-03-05T07:00:00Z")]);
    for wrong in ["0", "1001"] {
        let (status, problem) = api.get(&format!("{span}{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
}

#[tokio::test]
async fn devices_without_speed_and_places_do_not_count() {
    let api = Api::start().await;
    prepare(&api, &["2021-03"]).await;
    let start = "2021-03-05T06:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    store(&api, "zaz", "speed", &speeds(start)).await;
    for sensor in ["fuel", "location_latitude"] {
        let others = format!(
            "INSERT INTO series (device, sensor, latest_timestamp, latest_value)
             SELECT 'other' || number, '{sensor}', '2021-03-05Z', 1 FROM generate_series(1, 1100) AS number"
        );
        api.execute(&others).await;
    }
    let span = "from=2021-03-05&to=2021-03-06";
    assert_eq!(count(&api.ok(&format!("/api/trips?{span}")).await), 1);
    api.ok(&format!("/api/location/track?{span}")).await;
}

/// A speed each second, for as long as a trip takes.
fn speeds(from: i64) -> Vec<(i64, f64)> {
    (0..300).map(|second| (from + second * SECOND, 60.0)).collect()
}

#[tokio::test]
async fn a_trip_is_open_while_its_ending_may_come() {
    let api = Api::start().await;
    let now = Timestamp::now().as_microsecond();
    // The month of each.
    let month = |time: i64| text(time)[..7].to_owned();
    let (old, new) = (now - 60 * MINUTE, now - 5 * MINUTE);
    let mut months = vec![month(old), month(new)];
    months.dedup();
    let months: Vec<&str> = months.iter().map(String::as_str).collect();
    prepare(&api, &months).await;
    store(&api, "lada", "speed", &speeds(new)).await;
    store(&api, "niva", "speed", &speeds(old)).await;
    for _ in 0..2 {
        let answer = api.ok("/api/trips").await;
        let told: Vec<(&Value, &Value)> = answer["trips"]
            .as_array()
            .unwrap()
            .iter()
            .map(|trip| (&trip["device"], &trip["open"]))
            .collect();
        assert_eq!(told, [(&json!("niva"), &json!(false)), (&json!("lada"), &json!(true))]);
    }
}

#[tokio::test]
async fn a_trip_belongs_to_the_day_of_its_start() {
    let api = Api::start().await;
    prepare(&api, &["2026-03", "2026-10"]).await;
    // Around both changes of clocks.
    let starts = [
        "2026-03-28T22:30:00Z",
        "2026-03-28T23:30:00Z",
        "2026-03-29T21:30:00Z",
        "2026-03-29T22:30:00Z",
        "2026-10-24T21:30:00Z",
        "2026-10-24T22:30:00Z",
        "2026-10-25T22:30:00Z",
        "2026-10-25T23:30:00Z",
    ];
    for start in starts {
        let start: Timestamp = start.parse().unwrap();
        store(&api, "lada", "speed", &speeds(start.as_microsecond())).await;
    }
    for (zone, expected) in [
        (
            "UTC",
            &[
                "2026-03-28",
                "2026-03-28",
                "2026-03-29",
                "2026-03-29",
                "2026-10-24",
                "2026-10-24",
                "2026-10-25",
                "2026-10-25",
            ],
        ),
        (
            "Europe/Berlin",
            &[
                "2026-03-28",
                "2026-03-29",
                "2026-03-29",
                "2026-03-30",
                "2026-10-24",
                "2026-10-25",
                "2026-10-25",
                "2026-10-26",
            ],
        ),
        (
            "Pacific/Auckland",
            &[
                "2026-03-29",
                "2026-03-29",
                "2026-03-30",
                "2026-03-30",
                "2026-10-25",
                "2026-10-25",
                "2026-10-26",
                "2026-10-26",
            ],
        ),
    ] {
        let span = format!("from=2026-03-01T00:00:00Z&to=2026-12-01T00:00:00Z&tz={zone}");
        let answer = api.ok(&format!("/api/trips?{span}")).await;
        let dates: Vec<&str> = answer["trips"]
            .as_array()
            .unwrap()
            .iter()
            .map(|trip| trip["date"].as_str().unwrap())
            .collect();
        assert_eq!(dates, expected, "{zone}");
        let answer = api.ok(&format!("/api/trips/days?{span}")).await;
        let days: Vec<(&str, u64)> = answer["days"]
            .as_array()
            .unwrap()
            .iter()
            .map(|day| (day["date"].as_str().unwrap(), day["trips"].as_u64().unwrap()))
            .collect();
        let mut counted: Vec<(&str, u64)> = Vec::new();
        for date in expected.iter().copied() {
            match counted.last_mut() {
                Some((last, count)) if *last == date => *count += 1,
                _ => counted.push((date, 1)),
            }
        }
        assert_eq!(days, counted, "{zone}");
    }
}

#[tokio::test]
async fn a_path_is_told_where_it_is_asked_for() {
    let api = Api::start().await;
    prepare(&api, &["2021-03"]).await;
    let start = "2021-03-05T06:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    // Straight on to the north, 20 m each second.
    let places = (0..300_i32)
        .map(|second| {
            (
                start + i64::from(second) * SECOND,
                45.0 + f64::from(second) * 20.0 / 111_195.0,
                13.0,
            )
        })
        .collect();
    let of = Recording {
        speeds: speeds(start),
        places,
        ..Recording::default()
    };
    store_all(&api, "lada", &of).await;
    let answer = api
        .ok(&format!("{}&with=path", path("lada", start, start + MINUTE)))
        .await;
    let trip = &answer["trips"][0];
    assert_eq!(trip["path"]["latitude"].as_array().unwrap().len(), 2, "{trip}");
    assert_eq!(trip["path"]["latitude"][1], trip["end"]["latitude"]);
    let distance = trip["distance"].as_f64().unwrap();
    assert!((distance - 299.0 * 20.0).abs() < 1.0, "{distance}");
}

#[tokio::test]
async fn too_many_readings_within_seconds_are_refused() {
    let api = Api::start().await;
    prepare(&api, &["2021-03"]).await;
    let start = "2021-03-05T06:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    store(&api, "lada", "speed", &[(start, 60.0)]).await;
    let more = "INSERT INTO reading SELECT id, latest_timestamp + number * interval '20 microseconds', 60
        FROM series, generate_series(1, 300000) AS number WHERE device = 'lada'";
    api.execute(more).await;
    let (status, problem) = api.get(&path("lada", start, start + MINUTE)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("200000"), "{problem}");
}

#[tokio::test]
async fn what_cannot_be_asked() {
    let api = Api::start().await;
    for question in [
        "tz=Berlin",
        "with=speed",
        "from=2021-03-05T06:00:00Z&to=2021-03-05T06:00:00Z",
        "from=2020-01-01T00:00:00Z&to=2021-03-05T06:00:00Z",
        "from=yesterday",
        "devices=lada",
    ] {
        let (status, problem) = api.get(&format!("/api/trips?{question}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{question}: {problem}");
    }
    assert_eq!(api.ok("/api/trips?device=lada").await, json!({"trips": []}));
    assert_eq!(api.ok("/api/trips/days").await, json!({"days": []}));
}
