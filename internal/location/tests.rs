use super::*;
use crate::api::tests::{Api, Reading};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// Candidates of a device and the seconds of its two latest readings; the series of the n-th are
/// 2n and 2n + 1, and its latest values 10 and 20.
fn candidates(devices: &[(&str, i64, i64)]) -> Vec<Candidate> {
    let candidate = |(at, (device, latitude, longitude)): (usize, &(&str, i64, i64))| {
        let series = i32::try_from(at).unwrap() * 2;
        let latest = |series, second: &i64, value| Latest {
            series,
            timestamp: Timestamp::from_second(*second).unwrap(),
            value,
        };
        Candidate {
            device: (*device).to_owned(),
            latitude: latest(series, latitude, 10.0),
            longitude: latest(series + 1, longitude, 20.0),
        }
    };
    devices.iter().enumerate().map(candidate).collect()
}

fn check(devices: &[(&str, i64, i64)], earlier: &[(i32, f64)], expected: Option<(&str, i64, f64, f64)>) {
    let candidates = candidates(devices);
    let found = pick(&candidates, &earlier.iter().copied().collect());
    let expected = expected.map(|(device, second, latitude, longitude)| Location {
        latitude,
        longitude,
        timestamp: Moment(Timestamp::from_second(second).unwrap()),
        device: device.to_owned(),
    });
    assert_eq!(found, expected, "{devices:?} {earlier:?}");
}

#[test]
fn the_first_that_has_a_place() {
    check(&[], &[], None);
    check(&[("lada", 5, 5)], &[], Some(("lada", 5, 10.0, 20.0)));
    check(&[("lada", 5, 9)], &[(1, 21.0)], Some(("lada", 5, 10.0, 21.0)));
    check(&[("lada", 9, 5)], &[(0, 11.0)], Some(("lada", 5, 11.0, 20.0)));
    check(&[("lada", 9, 5)], &[(1, 21.0)], None);
    check(&[("lada", 9, 5), ("saab", 4, 4)], &[], Some(("saab", 4, 10.0, 20.0)));
    check(
        &[("lada", 9, 5), ("saab", 4, 4)],
        &[(0, 11.0)],
        Some(("lada", 5, 11.0, 20.0)),
    );
}

#[test]
fn only_those_up_to_the_first_settled_one_come_into_question() {
    for (devices, expected) in [
        (vec![], 0),
        (vec![("a", 5, 5), ("b", 4, 9)], 1),
        (vec![("a", 9, 5), ("b", 5, 5), ("c", 4, 4)], 2),
        (vec![("a", 9, 5), ("b", 4, 9)], 2),
    ] {
        assert_eq!(in_question(&candidates(&devices)).len(), expected, "{devices:?}");
    }
}

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
        // Read since, but not in the ten seconds up to then.
        &[
            ("lada", LATITUDE, "2021-02-28T10:00:00Z", 1.0),
            ("lada", LONGITUDE, "2021-02-28T10:00:00.000001Z", 2.0),
            ("lada", LONGITUDE, "2021-02-28T09:59:49.999999Z", 2.0),
        ],
    ] {
        let (status, problem) = found(readings).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{readings:?}");
        assert!(
            problem["detail"].as_str().unwrap().contains("location_latitude"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn the_last_values_of_one_moment() {
    let api = Api::with(&[
        ("lada", LATITUDE, "2021-02-28T10:00:00Z", 45.0),
        ("lada", LONGITUDE, "2021-02-28T09:59:50Z", 13.0),
        ("lada", LONGITUDE, "2021-02-28T10:00:01Z", 14.0),
    ])
    .await;
    // The other's last value by then is exactly as old as it may be.
    assert_eq!(api.ok(PATH).await, place("lada", "2021-02-28T10:00:00Z", 45.0, 13.0));
    api.add(&[("lada", LONGITUDE, "2021-02-28T09:59:59.500Z", 13.5)]).await;
    assert_eq!(api.ok(PATH).await, place("lada", "2021-02-28T10:00:00Z", 45.0, 13.5));
    api.add(&[("lada", LATITUDE, "2021-02-28T10:00:01.250Z", 46.0)]).await;
    assert_eq!(api.ok(PATH).await, place("lada", "2021-02-28T10:00:01Z", 45.0, 14.0));
}

#[tokio::test]
async fn a_place_across_two_months() {
    let readings = [
        ("lada", LATITUDE, "2021-03-01T00:00:01Z", 45.0),
        ("lada", LONGITUDE, "2021-02-28T23:59:58Z", 13.0),
        ("lada", LONGITUDE, "2021-03-01T00:00:02Z", 14.0),
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
        // In bytes, capitals come first.
        ("Volvo", LATITUDE, "2021-02-28T10:00:00Z", 3.0),
        ("Volvo", LONGITUDE, "2021-02-28T10:00:00Z", 4.0),
        // Later, but its two readings are too far apart.
        ("lada", LATITUDE, "2021-02-28T11:00:00Z", 5.0),
        ("lada", LONGITUDE, "2021-02-28T12:00:00Z", 6.0),
    ])
    .await;
    assert_eq!(api.ok(PATH).await, place("Volvo", "2021-02-28T10:00:00Z", 3.0, 4.0));
    assert_eq!(
        api.ok(&format!("{PATH}?device=saab")).await,
        place("saab", "2021-02-28T10:00:00Z", 1.0, 2.0)
    );
    let (status, _) = api.get(&format!("{PATH}?device=lada")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_fleet_without_places_before_one_with() {
    // More than a page of them, at two moments, so that pages end within a moment.
    let names: Vec<String> = (0..40).map(|at| format!("car{at}")).collect();
    let mut readings = Vec::new();
    for (at, name) in names.iter().enumerate() {
        readings.push((
            &**name,
            LATITUDE,
            if at % 2 == 0 {
                "2021-02-28T12:00:00Z"
            } else {
                "2021-02-27T12:00:00Z"
            },
            1.0,
        ));
        readings.push((&**name, LONGITUDE, "2021-02-28T13:00:00Z", 2.0));
    }
    // The last in order of preference.
    readings.push(("car9", LONGITUDE, "2021-02-27T11:59:55Z", 3.0));
    assert_eq!(
        found(&readings).await,
        (StatusCode::OK, place("car9", "2021-02-27T12:00:00Z", 1.0, 3.0))
    );
}
