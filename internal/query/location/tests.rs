use super::*;
use crate::tests::{Api, Reading};
use crate::words::places::brute_force::brute_force;
use crate::words::places::timestamp;
use axum::http::StatusCode;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reading::pairing::Pair;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LATITUDE: &str = "location_latitude";
const LONGITUDE: &str = "location_longitude";
const PATH: &str = "/api/location/latest";

fn place(device: &str, timestamp: &str, latitude: f64, longitude: f64) -> Value {
    json!({"latitude": latitude, "longitude": longitude, "timestamp": timestamp, "device": device})
}

async fn found(readings: &[Reading<'_>]) -> (StatusCode, Value) {
    Api::with(readings).await.get(PATH).await
}

#[tokio::test]
async fn no_place() {
    for readings in [
        &[][..],
        &[("lada", LATITUDE, "2021-02-28T10:00:00Z", 1.0)],
        &[
            ("lada", LATITUDE, "2021-02-28T10:00:00Z", 1.0),
            ("saab", LONGITUDE, "2021-02-28T10:00:00Z", 2.0),
        ],
        &[
            ("lada", LATITUDE, "2021-02-28T10:00:00Z", 1.0),
            ("lada", LONGITUDE, "2021-02-28T10:00:10.000001Z", 2.0),
            ("lada", LONGITUDE, "2021-02-28T09:59:49.999999Z", 2.0),
        ],
        &[
            ("lada", LATITUDE, "2021-02-28T10:00:00Z", 0.0),
            ("lada", LONGITUDE, "2021-02-28T10:00:00Z", 0.0),
            ("lada", LATITUDE, "2021-02-28T10:00:01Z", -270.6),
            ("lada", LONGITUDE, "2021-02-28T10:00:02Z", 13.0),
        ],
    ] {
        let (status, problem) = found(readings).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{readings:?}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("location_latitude"), "{problem}");
    }
}

#[tokio::test]
async fn the_last_two_that_are_nearest_to_each_other() {
    let api = Api::with(&[
        ("lada", LATITUDE, "2021-02-28T10:00:00Z", 45.0),
        ("lada", LONGITUDE, "2021-02-28T09:59:50Z", 13.0),
    ])
    .await;
    // Exactly the tolerance apart.
    assert_eq!(api.ok(PATH).await, place("lada", "2021-02-28T10:00:00Z", 45.0, 13.0));
    api.add(&[("lada", LONGITUDE, "2021-02-28T10:00:01Z", 14.0)]).await;
    assert_eq!(api.ok(PATH).await, place("lada", "2021-02-28T10:00:01Z", 45.0, 14.0));
    // A late reading.
    api.add(&[("lada", LONGITUDE, "2021-02-28T09:59:59.500Z", 13.5)]).await;
    assert_eq!(api.ok(PATH).await, place("lada", "2021-02-28T10:00:00Z", 45.0, 13.5));
    api.add(&[("lada", LATITUDE, "2021-02-28T10:00:01.250Z", 46.0)]).await;
    assert_eq!(
        api.ok(PATH).await,
        place("lada", "2021-02-28T10:00:01.250Z", 46.0, 14.0)
    );
}

/// A receiver that reports a place at intervals, the longitude 0.1 s after the latitude.
#[tokio::test]
async fn the_two_of_one_moment() {
    for (seconds, expected) in [(15, "10:04:45.100Z"), (9, "10:02:51.100Z")] {
        let api = Api::start().await;
        for number in 0..20 {
            let second = number * seconds;
            let time = |tenths| format!("2021-02-28T10:{:02}:{:02}.{tenths}00Z", second / 60, second % 60);
            let degrees = f64::from(number) / 1000.0;
            api.add(&[
                ("lada", LATITUDE, &time(0), 45.0 + degrees),
                ("lada", LONGITUDE, &time(1), 13.0 + degrees),
            ])
            .await;
        }
        let expected = place("lada", &format!("2021-02-28T{expected}"), 45.019, 13.019);
        assert_eq!(api.ok(PATH).await, expected, "every {seconds} s");
    }
}

#[tokio::test]
async fn a_place_across_two_months() {
    let readings = [
        ("lada", LATITUDE, "2021-03-01T00:00:01Z", 45.0),
        ("lada", LONGITUDE, "2021-02-28T23:59:58Z", 13.0),
        ("lada", LONGITUDE, "2021-03-01T00:00:05Z", 14.0),
    ];
    assert_eq!(
        found(&readings).await,
        (StatusCode::OK, place("lada", "2021-03-01T00:00:01Z", 45.0, 13.0))
    );
}

#[tokio::test]
async fn the_latest_device_that_has_a_place() {
    let api = Api::with(&[
        ("saab", LATITUDE, "2021-02-28T10:00:00Z", 1.0),
        ("saab", LONGITUDE, "2021-02-28T10:00:00Z", 2.0),
        // Bytewise, capitals come first.
        ("Volvo", LATITUDE, "2021-02-28T10:00:00Z", 3.0),
        ("Volvo", LONGITUDE, "2021-02-28T10:00:00Z", 4.0),
        // Later, but its two readings are too far apart.
        ("lada", LATITUDE, "2021-02-28T11:00:00Z", 5.0),
        ("lada", LONGITUDE, "2021-02-28T12:00:00Z", 6.0),
        // Later, but not on earth.
        ("niva", LATITUDE, "2021-02-28T11:00:00Z", 91.0),
        ("niva", LONGITUDE, "2021-02-28T11:00:00Z", 6.0),
    ])
    .await;
    assert_eq!(api.ok(PATH).await, place("Volvo", "2021-02-28T10:00:00Z", 3.0, 4.0));
    assert_eq!(
        api.ok(&format!("{PATH}?device=saab")).await,
        place("saab", "2021-02-28T10:00:00Z", 1.0, 2.0)
    );
    for device in ["lada", "niva"] {
        let (status, _) = api.get(&format!("{PATH}?device={device}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{device}");
    }
    api.add(&[
        ("niva", LATITUDE, "2021-02-28T10:30:00Z", 7.0),
        ("niva", LONGITUDE, "2021-02-28T10:30:01Z", 8.0),
    ])
    .await;
    assert_eq!(api.ok(PATH).await, place("niva", "2021-02-28T10:30:01Z", 7.0, 8.0));
}

#[tokio::test]
async fn a_fleet_without_places_before_one_with() {
    // More than a page of devices, at two moments, so that pages end within a moment.
    let names: Vec<String> = (0..40).map(|at| format!("car{at}")).collect();
    let mut readings = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let time = if at % 2 == 0 {
            "2021-02-28T12:00:00Z"
        } else {
            "2021-02-27T12:00:00Z"
        };
        readings.push((&**name, LATITUDE, time, 1.0));
        readings.push((&**name, LONGITUDE, "2021-02-28T13:00:00Z", 2.0));
    }
    // The last in order of preference.
    readings.push(("car9", LONGITUDE, "2021-02-27T11:59:55Z", 3.0));
    assert_eq!(
        found(&readings).await,
        (StatusCode::OK, place("car9", "2021-02-27T12:00:00Z", 1.0, 3.0))
    );
}

/// Adds a reading for each second of a span to an existing series, all of them later.
async fn each_second(api: &Api, device: &str, sensor: &str, from: &str, seconds: i32, value: f64) {
    let statement = format!(
        "WITH series AS (SELECT id FROM series WHERE device = '{device}' AND sensor = '{sensor}'), made AS (
             INSERT INTO reading SELECT id, timestamptz '{from}' + number * interval '1 second', {value}::float8
             FROM series, generate_series(0, {}) AS number
         )
         UPDATE series SET latest_timestamp = timestamptz '{from}' + interval '{} seconds', latest_value = {value}
         WHERE id = (SELECT id FROM series)",
        seconds - 1,
        seconds - 1
    );
    api.execute(&statement).await;
}

#[tokio::test]
async fn behind_a_long_run_without_places() {
    for (latitude, longitude) in [(0.0, 0.0), (-270.6, 13.0), (45.0, 999.0)] {
        let api = Api::with(&[
            ("lada", LATITUDE, "2021-02-26T10:00:00Z", 45.0),
            ("lada", LONGITUDE, "2021-02-26T10:00:00.100Z", 13.0),
        ])
        .await;
        let expected = place("lada", "2021-02-26T10:00:00.100Z", 45.0, 13.0);
        each_second(&api, "lada", LATITUDE, "2021-02-27T00:00:00Z", 100_000, latitude).await;
        each_second(&api, "lada", LONGITUDE, "2021-02-27T00:00:00Z", 100_000, longitude).await;
        assert_eq!(api.ok(PATH).await, expected, "{latitude} {longitude}");
    }
}

#[tokio::test]
async fn a_series_that_goes_on_alone() {
    for (alone, other) in [(LATITUDE, LONGITUDE), (LONGITUDE, LATITUDE)] {
        let api = Api::with(&[
            ("lada", alone, "2019-05-01T10:00:03Z", 13.0),
            ("lada", other, "2019-05-01T10:00:00Z", 45.0),
            // Without its counterpart, and then with it far off.
            ("lada", other, "2019-12-24T18:00:00Z", 46.0),
            ("lada", alone, "2020-01-31T00:00:00Z", 14.0),
            ("lada", alone, "2021-01-01T00:00:00Z", 14.0),
        ])
        .await;
        each_second(&api, "lada", alone, "2021-01-01T00:00:01Z", 40_000, 15.0).await;
        let found = api.ok(PATH).await;
        assert_eq!(
            found["timestamp"], "2019-05-01T10:00:03Z",
            "{alone} goes on alone: {found}"
        );
        assert_eq!(found["device"], "lada");
    }
}

/// One axis fills a page within seconds, the other one is sparse.
#[tokio::test]
async fn behind_a_dense_page_of_one_axis() {
    let latitude = |tenths: i64| ("lada", LATITUDE, tenths, 45.0);
    let mut points: Vec<(&str, &str, i64, f64)> = (0..16).map(|at| latitude(-2 * at)).collect();
    points.extend([
        latitude(-330),
        ("lada", LONGITUDE, 600, 13.0),
        ("lada", LONGITUDE, -300, 13.0),
    ]);
    let start: Timestamp = "2021-02-28T10:10:00Z".parse().unwrap();
    let times: Vec<String> = points
        .iter()
        .map(|(_, _, tenths, _)| (start + jiff::Span::new().milliseconds(tenths * 100)).to_string())
        .collect();
    let readings: Vec<Reading<'_>> = points
        .iter()
        .zip(&times)
        .map(|((device, sensor, _, value), time)| (*device, *sensor, &**time, *value))
        .collect();
    let expected = place("lada", "2021-02-28T10:09:30Z", 45.0, 13.0);
    assert_eq!(found(&readings).await, (StatusCode::OK, expected));
}

/// Random points, each set under a device of its own, in one database.
#[tokio::test]
async fn as_by_looking_at_all_points() {
    const CASES: usize = 60;
    let value = prop_oneof![Just(0.0), -100.0..100.0, Just(999.0), Just(-270.6)];
    // Whole and tenths of seconds, so that some points are at equal distances.
    let points = prop::collection::btree_map(0..600_i64, value, 0..60);
    let (mut runner, both) = (TestRunner::deterministic(), (points.clone(), points));
    let api = Api::start().await;
    api.add(&[("other", "speed", "2021-02-28T00:00:00Z", 1.0)]).await;
    api.add(&[("other", "speed", "2021-03-01T00:00:00Z", 1.0)]).await;
    // A tenth of a minute before a month's end.
    let start = "2021-02-28T23:59:54Z".parse::<Timestamp>().unwrap().as_microsecond();
    let mut latest: Option<(i64, String, Pair)> = None;
    for case in 0..CASES {
        let device = format!("car{case:02}");
        let (latitudes, longitudes) = both.new_tree(&mut runner).unwrap().current();
        // Some sparsely, over minutes; some densely.
        let step = [100_000, 1_000_000, 7_300_000][case % 3];
        let moments = |points: BTreeMap<i64, f64>| -> BTreeMap<i64, f64> {
            points
                .into_iter()
                .map(|(at, value)| (start + at * step, value))
                .collect()
        };
        let (latitudes, longitudes) = (moments(latitudes), moments(longitudes));
        api.add_series(&device, LATITUDE, &latitudes).await;
        api.add_series(&device, LONGITUDE, &longitudes).await;
        let pairs = brute_force(&latitudes, &longitudes, 10_000_000);
        let expected = pairs.into_iter().rfind(|pair| pair.is_place());
        let (status, answer) = api.get(&format!("{PATH}?device={device}")).await;
        match expected {
            None => assert_eq!(status, StatusCode::NOT_FOUND, "{latitudes:?} {longitudes:?}: {answer}"),
            Some(pair) => {
                let time = Time(timestamp(pair.time)).to_string();
                let expected = place(&device, &time, pair.latitude, pair.longitude);
                assert_eq!(answer, expected, "{latitudes:?} {longitudes:?}");
                if latest.as_ref().is_none_or(|(time, _, _)| pair.time > *time) {
                    latest = Some((pair.time, device, pair));
                }
            }
        }
        // Of all devices so far.
        if let Some((time, device, pair)) = &latest {
            let time = Time(timestamp(*time)).to_string();
            assert_eq!(api.ok(PATH).await, place(device, &time, pair.latitude, pair.longitude));
        }
    }
}
