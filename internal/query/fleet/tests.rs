use crate::tests::Api;
use axum::http::StatusCode;
use serde_json::{Value, json};

const LATITUDE: &str = "location_latitude";
const LONGITUDE: &str = "location_longitude";

fn names<'a>(answer: &'a Value, list: &str, member: &str) -> Vec<&'a str> {
    let members = answer[list].as_array().unwrap();
    members.iter().map(|one| one[member].as_str().unwrap()).collect()
}

#[tokio::test]
async fn without_readings() {
    let api = Api::start().await;
    let devices = json!({"devices": [], "nextCursor": null});
    assert_eq!(api.ok("/api/devices").await, devices);
    assert_eq!(api.ok("/api/sensors").await, json!({"sensors": []}));
    // A name alone makes no device.
    api.execute("INSERT INTO device_name VALUES ('lada', 'Lada')").await;
    assert_eq!(api.ok("/api/devices").await, devices);
}

#[tokio::test]
async fn devices_with_names_and_places() {
    let api = Api::with(&[
        ("lada", "speed", "2021-02-28T10:00:00Z", 1.0),
        ("lada", "speed", "2021-01-31T23:59:59.500Z", 1.0),
        ("lada", "fuel", "2021-03-01T12:00:00Z", 1.0),
        ("lada", LATITUDE, "2021-02-28T10:00:00Z", 45.0),
        ("lada", LONGITUDE, "2021-02-28T10:00:01Z", 13.0),
        // Bytewise, capitals come first.
        ("Volvo", LATITUDE, "2021-02-28T10:00:00Z", 1.0),
        ("Volvo", LONGITUDE, "2021-02-28T10:00:00Z", 2.0),
        // Its latest coordinates are no place.
        ("niva", LATITUDE, "2021-02-28T10:00:00Z", 3.0),
        ("niva", LONGITUDE, "2021-02-28T10:00:00Z", 4.0),
        ("niva", LATITUDE, "2021-02-28T11:00:00Z", 0.0),
        ("niva", LONGITUDE, "2021-02-28T11:00:00Z", 0.0),
        ("saab", LATITUDE, "2021-02-28T10:00:00Z", 5.0),
    ])
    .await;
    let name = "INSERT INTO device_name VALUES ('lada', 'Grandpa''s %C5%BDiguli 100%25')";
    api.execute(name).await;
    let place = |latitude: f64, longitude: f64, timestamp: &str| json!({"latitude": latitude, "longitude": longitude, "timestamp": timestamp});
    let expected = json!({
        "devices": [
            {"device": "Volvo", "name": null, "firstSeen": "2021-02-28T10:00:00Z", "lastSeen": "2021-02-28T10:00:00Z",
             "place": place(1.0, 2.0, "2021-02-28T10:00:00Z")},
            {"device": "lada", "name": "Grandpa's \u{17d}iguli 100%", "firstSeen": "2021-01-31T23:59:59.500Z",
             "lastSeen": "2021-03-01T12:00:00Z", "place": place(45.0, 13.0, "2021-02-28T10:00:01Z")},
            {"device": "niva", "name": null, "firstSeen": "2021-02-28T10:00:00Z", "lastSeen": "2021-02-28T11:00:00Z",
             "place": place(3.0, 4.0, "2021-02-28T10:00:00Z")},
            {"device": "saab", "name": null, "firstSeen": "2021-02-28T10:00:00Z", "lastSeen": "2021-02-28T10:00:00Z",
             "place": null},
        ],
        "nextCursor": null,
    });
    assert_eq!(api.ok("/api/devices").await, expected);
    // The same place as that of the device alone.
    for device in ["Volvo", "lada", "niva"] {
        let alone = api.ok(&format!("/api/location/latest?device={device}")).await;
        let listed = expected["devices"].as_array().unwrap();
        let listed = listed.iter().find(|one| one["device"] == device).unwrap();
        for member in ["latitude", "longitude", "timestamp"] {
            assert_eq!(alone[member], listed["place"][member], "{device}");
        }
    }
}

#[tokio::test]
async fn pages_of_devices() {
    let devices: Vec<String> = (0..7).map(|number| format!("car{number}")).collect();
    let readings: Vec<_> = devices
        .iter()
        .map(|device| (&**device, "speed", "2021-02-28T10:00:00Z", 1.0))
        .collect();
    let api = Api::with(&readings).await;
    let (mut found, mut path) = (Vec::new(), "/api/devices?limit=3".to_owned());
    loop {
        let page = api.ok(&path).await;
        let listed = names(&page, "devices", "device");
        assert!(listed.len() <= 3, "{page}");
        found.extend(listed.into_iter().map(str::to_owned));
        let Some(next) = page["nextCursor"].as_str() else { break };
        path = format!("/api/devices?limit=3&cursor={next}");
    }
    assert_eq!(found, devices);
    for wrong in [
        "limit=0",
        "limit=1001",
        "limit=many",
        "cursor=a%20b",
        "cursor=",
        "device=lada",
    ] {
        let (status, _) = api.get(&format!("/api/devices?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn sensors_of_all_devices_and_of_one() {
    let api = Api::with(&[
        ("lada", "speed", "2021-02-28T10:00:00Z", 1.0),
        ("lada", "speed", "2021-02-28T10:00:01Z", 1.0),
        ("saab", "speed", "2021-01-31T10:00:00Z", 1.0),
        ("saab", "mood", "2021-02-01T10:00:00Z", 1.0),
    ])
    .await;
    let mood = json!({"sensor": "mood", "unit": null, "firstSeen": "2021-02-01T10:00:00Z",
        "lastSeen": "2021-02-01T10:00:00Z", "devices": 1});
    let speed = |first: &str, last: &str, devices: i64| json!({"sensor": "speed", "unit": "km/h", "firstSeen": first, "lastSeen": last, "devices": devices});
    let all = json!({"sensors": [mood, speed("2021-01-31T10:00:00Z", "2021-02-28T10:00:01Z", 2)]});
    assert_eq!(api.ok("/api/sensors").await, all);
    let one = json!({"sensors": [speed("2021-02-28T10:00:00Z", "2021-02-28T10:00:01Z", 1)]});
    assert_eq!(api.ok("/api/sensors?device=lada").await, one);
    assert_eq!(api.ok("/api/sensors?device=niva").await, json!({"sensors": []}));
}

#[tokio::test]
async fn too_many_series() {
    let api = Api::with(&[("lada", "speed", "2021-02-28T10:00:00Z", 1.0)]).await;
    let many = "INSERT INTO series (device, sensor, latest_timestamp, latest_value)
        SELECT 'car' || number, 'speed', '2021-02-28T10:00:00Z', 1 FROM generate_series(1, 10000) AS number";
    api.execute(many).await;
    let (status, problem) = api.get("/api/sensors").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("device="), "{problem}");
    let one = api.ok("/api/sensors?device=lada").await;
    assert_eq!(names(&one, "sensors", "sensor"), ["speed"]);
    let many = "INSERT INTO series (device, sensor, latest_timestamp, latest_value)
        SELECT 'saab', 'speed' || number, '2021-02-28T10:00:00Z', 1 FROM generate_series(1, 10001) AS number";
    api.execute(many).await;
    let (status, problem) = api.get("/api/sensors?device=saab").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("saab has more than 10000 sensors"), "{detail}");
}

#[tokio::test]
async fn a_page_of_many_series_ends_early() {
    let api = Api::start().await;
    for (device, sensors) in [("car1", 3000), ("car2", 1000), ("car3", 4500), ("car4", 1)] {
        let series = format!(
            "INSERT INTO series (device, sensor, latest_timestamp, latest_value)
            SELECT '{device}', 'x' || number, '2021-02-28T10:00:00Z', 1 FROM generate_series(1, {sensors}) AS number"
        );
        api.execute(&series).await;
    }
    let (mut pages, mut path) = (Vec::new(), "/api/devices".to_owned());
    loop {
        let page = api.ok(&path).await;
        pages.push(names(&page, "devices", "device").join(","));
        let Some(next) = page["nextCursor"].as_str() else { break };
        path = format!("/api/devices?cursor={next}");
    }
    assert_eq!(pages, ["car1,car2", "car3", "car4"]);
}

/// Readings that retention has dropped are not looked for.
#[tokio::test]
async fn a_device_without_a_reading_left() {
    let api = Api::with(&[("lada", "speed", "2021-02-28T10:00:00Z", 1.0)]).await;
    api.execute("DROP TABLE reading_2021_02").await;
    let answer = api.ok("/api/devices").await;
    let device = &answer["devices"][0];
    assert_eq!(device["firstSeen"], Value::Null);
    assert_eq!(device["lastSeen"], "2021-02-28T10:00:00Z");
}
