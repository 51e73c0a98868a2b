use crate::tests::Api;
use crate::words::places::brute_force::brute_force;
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
const SECOND: i64 = 1_000_000;

type Series = BTreeMap<i64, f64>;

/// Two places, a gap, and another one.
async fn two_segments() -> Api {
    let mut readings = Vec::new();
    for (time, latitude, longitude) in [
        ("2021-02-28T10:00:00Z", 45.0, 13.0),
        ("2021-02-28T10:01:00Z", 45.01, 13.0),
        ("2021-02-28T10:02:00Z", 45.02, 13.0),
        ("2021-02-28T10:13:00Z", 45.1, 13.0),
    ] {
        readings.push(("lada", LATITUDE, time, latitude));
        readings.push(("lada", LONGITUDE, time, longitude));
    }
    readings.push(("lada", "speed", "2021-02-28T10:01:04Z", 60.0));
    readings.push(("lada", "speed", "2021-02-28T10:02:10.000001Z", 70.0));
    Api::with(&readings).await
}

const SPAN: &str = "from=2021-02-28T00:00:00Z&to=2021-03-01T00:00:00Z";

#[tokio::test]
async fn a_gap_ends_a_segment() {
    let api = two_segments().await;
    let answer = api.ok(&format!("/api/location/track?{SPAN}&with=speed")).await;
    let segments = answer["segments"].as_array().unwrap();
    assert_eq!(segments.len(), 2, "{answer}");
    assert_eq!((&answer["with"], &answer["unit"]), (&json!("speed"), &json!("km/h")));
    let first = &segments[0];
    assert_eq!(
        (&first["device"], &first["from"], &first["to"]),
        (
            &json!("lada"),
            &json!("2021-02-28T10:00:00Z"),
            &json!("2021-02-28T10:02:00Z")
        )
    );
    assert_eq!(first["movingTime"], 120.0);
    let distance = first["distance"].as_f64().unwrap();
    assert!((distance - 2223.9).abs() < 0.1, "{distance}");
    // Only the second place has a speed within the tolerance.
    let values: Vec<&Value> = first["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| &point["value"])
        .collect();
    assert_eq!(values, [&Value::Null, &json!(60.0), &Value::Null]);
    assert_eq!(
        segments[1]["points"],
        json!([{"timestamp": "2021-02-28T10:13:00Z", "latitude": 45.1, "longitude": 13.0, "value": null}])
    );
    // Not asked for, not told.
    let answer = api.ok(&format!("/api/location/track?{SPAN}")).await;
    assert_eq!(answer.get("with"), None);
    assert_eq!(
        answer["segments"][1]["points"][0],
        json!({"timestamp": "2021-02-28T10:13:00Z", "latitude": 45.1, "longitude": 13.0})
    );
}

#[tokio::test]
async fn forms_of_an_answer() {
    let api = two_segments().await;
    let answer = api
        .ok(&format!(
            "/api/location/track?{SPAN}&layout=columns&with=speed&points=4"
        ))
        .await;
    assert_eq!(
        answer["segments"][0]["points"],
        json!({
            "timestamp": ["2021-02-28T10:00:00Z", "2021-02-28T10:01:00Z", "2021-02-28T10:02:00Z"],
            "latitude": [45.0, 45.01, 45.02],
            "longitude": [13.0, 13.0, 13.0],
            "value": [null, 60.0, null],
        })
    );
    // The middle of a straight line.
    for question in ["points=3", "simplify=5"] {
        let answer = api
            .ok(&format!("/api/location/track?{SPAN}&layout=columns&{question}"))
            .await;
        assert_eq!(
            answer["segments"][0]["points"]["latitude"],
            json!([45.0, 45.02]),
            "{question}"
        );
    }
    let map = api.ok(&format!("/api/location/track?{SPAN}&format=geojson")).await;
    assert_eq!(
        map["features"][0]["geometry"],
        json!({"type": "LineString", "coordinates": [[13.0, 45.0], [13.0, 45.01], [13.0, 45.02]]})
    );
    assert_eq!(
        map["features"][1]["geometry"],
        json!({"type": "Point", "coordinates": [13.0, 45.1]})
    );
}

#[tokio::test]
async fn what_cannot_be_asked() {
    let api = Api::start().await;
    for question in [
        "points=1",
        "points=10001",
        "points=2&simplify=5",
        "simplify=0",
        "simplify=NaN",
        "simplify=-5",
        "format=kml",
        "format=gpx&with=speed",
        "format=gpx&layout=columns",
        "layout=table",
        "from=2021-03-01T00:00:00Z&to=2021-02-28T00:00:00Z",
        "from=2020-01-01T00:00:00Z&to=2021-02-28T00:00:00Z",
        "point=5",
    ] {
        let (status, problem) = api.get(&format!("/api/location/track?{question}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{question}: {problem}");
    }
    assert_eq!(api.ok("/api/location/track").await["segments"], json!([]));
}

/// A segment by comparing all points: device, pairs, values.
type Expected = (String, Vec<Pair>, Vec<Option<f64>>);

fn segments(device: &str, latitudes: &Series, longitudes: &Series, speeds: &Series, span: (i64, i64)) -> Vec<Expected> {
    let pairs: Vec<Pair> = brute_force(latitudes, longitudes, 10 * SECOND)
        .into_iter()
        .filter(|pair| pair.is_place() && (span.0..span.1).contains(&pair.time))
        .collect();
    let mut gaps: Vec<i64> = pairs.windows(2).map(|two| two[1].time - two[0].time).collect();
    gaps.sort_unstable();
    let median = gaps.get(gaps.len() / 2).copied().unwrap_or(0);
    let longest = (120 * SECOND).max(10 * median);
    let mut segments: Vec<Expected> = Vec::new();
    for pair in pairs {
        let nearest = speeds
            .iter()
            .min_by_key(|(time, _)| ((*time - pair.time).abs(), **time));
        let value = nearest
            .filter(|(time, _)| (*time - pair.time).abs() <= 10 * SECOND)
            .map(|(_, value)| *value);
        match segments.last_mut() {
            Some((_, before, values)) if pair.time - before[before.len() - 1].time <= longest => {
                before.push(pair);
                values.push(value);
            }
            _ => segments.push((device.to_owned(), vec![pair], vec![value])),
        }
    }
    segments
}

/// Random readings, each set under a device of its own, in one database: with gaps, and stored in no order.
#[tokio::test]
async fn as_by_looking_at_all_points() {
    let value = prop_oneof![8 => -80.0..80.0, 1 => Just(0.0), 1 => Just(999.0)];
    let series = |most: usize| prop::collection::btree_map(0..900_i64, value.clone(), 0..most);
    let all = (series(120), series(120), series(60));
    let mut runner = TestRunner::deterministic();
    let api = Api::start().await;
    for month in ["2021-02-28T00:00:00Z", "2021-03-01T00:00:00Z"] {
        api.add(&[("other", "rpm", month, 1.0)]).await;
    }
    let start = "2021-02-28T23:55:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    let mut found = 0;
    for case in 0..30_i64 {
        let device = format!("car{case:02}");
        let (latitudes, longitudes, speeds) = all.new_tree(&mut runner).unwrap().current();
        let step = [500_000, SECOND, 4 * SECOND][usize::try_from(case % 3).unwrap()];
        let moments = |points: Series| -> Series {
            points
                .into_iter()
                .map(|(at, value)| (start + at * step, value))
                .collect()
        };
        let (latitudes, longitudes, speeds) = (moments(latitudes), moments(longitudes), moments(speeds));
        for (sensor, points) in [(LATITUDE, &latitudes), (LONGITUDE, &longitudes), ("speed", &speeds)] {
            api.add_series(&device, sensor, points).await;
        }
        for span in [
            (start, start + 1000 * step),
            (start + 100 * step, start + 400 * step + 1),
        ] {
            let text = |time: i64| Timestamp::from_microsecond(time).unwrap().to_string();
            let question = format!(
                "/api/location/track?device={device}&from={}&to={}&with=speed&layout=columns",
                text(span.0),
                text(span.1)
            );
            let answer = api.ok(&question).await;
            let told = answer["segments"].as_array().unwrap();
            let expected = segments(&device, &latitudes, &longitudes, &speeds, span);
            assert_eq!(told.len(), expected.len(), "{question}: {answer}");
            for (told, (device, pairs, values)) in told.iter().zip(expected) {
                let of = |member: fn(&Pair) -> f64| pairs.iter().map(member).collect::<Vec<f64>>();
                assert_eq!(told["device"], json!(device));
                assert_eq!(
                    told["points"]["latitude"],
                    json!(of(|pair| pair.latitude)),
                    "{question}"
                );
                assert_eq!(
                    told["points"]["longitude"],
                    json!(of(|pair| pair.longitude)),
                    "{question}"
                );
                assert_eq!(told["points"]["value"], json!(values), "{question}");
                found += pairs.len();
            }
        }
    }
    assert!(found > 200, "{found} places");
}
