use crate::tests::Api;
use serde_json::{Value, json};

/// Adds an entry with this id, and returns the id as clients know it.
async fn entry(api: &Api, moment: &str, device: Option<&str>, text: &str, place: Option<(f64, f64)>) -> String {
    let moment: jiff::Timestamp = moment.parse().unwrap();
    let id = ulid::Ulid::from_parts(u64::try_from(moment.as_millisecond()).unwrap(), 1);
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let device = device.map_or("NULL".to_owned(), quoted);
    let (latitude, longitude) = place.map_or(("NULL".to_owned(), "NULL".to_owned()), |(latitude, longitude)| {
        (latitude.to_string(), longitude.to_string())
    });
    api.execute(&format!(
        "INSERT INTO author (name) VALUES ('anna') ON CONFLICT DO NOTHING;
         INSERT INTO entry (id, author_id, device, body, latitude, longitude)
         SELECT '{}', id, {device}, {}, {latitude}, {longitude} FROM author",
        uuid::Uuid::from_bytes(id.to_bytes()),
        quoted(text),
    ))
    .await;
    id.to_string()
}

fn place(latitude: f64, longitude: f64, timestamp: &str, source: &str) -> Value {
    json!({"latitude": latitude, "longitude": longitude, "timestamp": timestamp, "source": source})
}

/// Of each entry, the member of this name.
async fn told(api: &Api, asked: &str, member: &str) -> Vec<Value> {
    let answer = api.ok(&format!("/api/journal{asked}")).await;
    let messages = answer["messages"].as_array().unwrap();
    messages.iter().map(|message| message[member].clone()).collect()
}

#[tokio::test]
async fn an_entry_stands_where_its_device_was() {
    let api = Api::with(&[
        ("lada", "location_latitude", "2026-02-28T10:00:00Z", 45.0),
        ("lada", "location_longitude", "2026-02-28T10:00:01Z", 13.0),
        ("lada", "location_latitude", "2026-02-28T10:04:00Z", 46.0),
        ("lada", "location_longitude", "2026-02-28T10:04:02Z", 14.0),
        ("lada", "speed", "2026-02-28T10:03:00Z", 55.5),
        ("lada", "speed", "2026-02-28T10:04:01Z", 66.0),
    ])
    .await;
    let first = place(45.0, 13.0, "2026-02-28T10:00:01Z", "readings");
    let second = place(46.0, 14.0, "2026-02-28T10:04:02Z", "readings");
    for (moment, device, own, expected) in [
        // Before the longitude that belongs to the latitude, there is no place.
        ("2026-02-28T10:00:00Z", Some("lada"), None, Value::Null),
        ("2026-02-28T10:00:01Z", Some("lada"), None, first.clone()),
        // The later pair is not complete yet.
        ("2026-02-28T10:04:01Z", Some("lada"), None, first.clone()),
        ("2026-02-28T10:04:02Z", Some("lada"), None, second.clone()),
        ("2026-02-28T10:09:02Z", Some("lada"), None, second),
        ("2026-02-28T10:09:02.001Z", Some("lada"), None, Value::Null),
        ("2026-02-28T10:04:03Z", Some("niva"), None, Value::Null),
        ("2026-02-28T10:04:04Z", None, None, Value::Null),
        (
            "2026-02-28T10:04:05Z",
            Some("lada"),
            Some((1.5, 2.5)),
            place(1.5, 2.5, "2026-02-28T10:04:05Z", "message"),
        ),
    ] {
        let id = entry(&api, moment, device, "hello", own).await;
        let answer = api.ok(&format!("/api/journal/{id}")).await;
        assert_eq!(answer["place"], expected, "{moment}");
    }
    // All of them on one page, the newest first.
    let places = told(&api, "", "place").await;
    assert_eq!(places.iter().filter(|place| place.is_null()).count(), 4, "{places:?}");
    let readings = told(
        &api,
        "?with=readings&from=2026-02-28T10:04:01Z&to=2026-02-28T10:04:02Z",
        "readings",
    )
    .await;
    assert_eq!(
        readings[0]["speed"],
        json!({"value": 66.0, "unit": "km/h", "timestamp": "2026-02-28T10:04:01Z"})
    );
    assert_eq!(readings[0]["location_longitude"]["timestamp"], "2026-02-28T10:00:01Z");
}

/// One axis fills a page after the moment, the other one is sparse.
#[tokio::test]
async fn a_place_before_a_dense_page() {
    let mut readings: Vec<(String, &str)> = (0..16)
        .map(|at| {
            (
                format!("2026-02-28T10:05:{:02}.{}00Z", 7 + at / 5, at % 5 * 2),
                "location_longitude",
            )
        })
        .collect();
    readings.push(("2026-02-28T10:04:53Z".to_owned(), "location_longitude"));
    readings.push(("2026-02-28T10:04:56Z".to_owned(), "location_latitude"));
    let readings: Vec<_> = readings
        .iter()
        .map(|(time, sensor)| ("lada", *sensor, &**time, 13.0))
        .collect();
    let api = Api::with(&readings).await;
    let id = entry(&api, "2026-02-28T10:05:00Z", Some("lada"), "hello", None).await;
    let answer = api.ok(&format!("/api/journal/{id}")).await;
    assert_eq!(answer["place"], place(13.0, 13.0, "2026-02-28T10:04:56Z", "readings"));
}

/// Readings that come after an entry put its place right.
#[tokio::test]
async fn late_readings_put_a_place_right() {
    let api = Api::start().await;
    let id = entry(&api, "2026-02-28T10:00:05Z", Some("lada"), "flat tyre", None).await;
    let path = format!("/api/journal/{id}?with=readings");
    let before = api.ok(&path).await;
    assert_eq!((&before["place"], &before["readings"]), (&Value::Null, &json!({})));
    api.add(&[
        ("lada", "location_latitude", "2026-02-28T10:00:00Z", 45.0),
        ("lada", "location_longitude", "2026-02-28T10:00:00Z", 13.0),
        ("lada", "speed", "2026-02-28T10:00:04Z", 50.0),
    ])
    .await;
    let after = api.ok(&path).await;
    assert_eq!(after["place"], place(45.0, 13.0, "2026-02-28T10:00:00Z", "readings"));
    assert_eq!(after["readings"]["speed"]["value"], 50.0);
}

#[tokio::test]
async fn pages_have_a_cursor_and_formats() {
    let api = Api::start().await;
    for minute in 0..5 {
        let moment = format!("2026-02-28T10:0{minute}:00Z");
        entry(
            &api,
            &moment,
            None,
            &format!("a <{minute}> & b"),
            (minute > 2).then_some((45.0, 13.0)),
        )
        .await;
    }
    let first = api.ok("/api/journal?limit=2").await;
    let next = first["nextCursor"].as_str().unwrap();
    let second = api.ok(&format!("/api/journal?limit=3&cursor={next}")).await;
    assert_eq!(
        (&second["messages"][0]["text"], &second["nextCursor"]),
        (&json!("a <2> & b"), &Value::Null)
    );
    let map = api.ok("/api/journal?format=geojson").await;
    assert_eq!(
        map["features"][0]["geometry"],
        json!({"type": "Point", "coordinates": [13.0, 45.0]})
    );
    assert_eq!(map["features"][4]["geometry"], Value::Null);
    let mut path = "/api/journal?cursor=7ZZZZZZZZZZZZZZZZZZZZZZZZZ&limit=2&user=anna&format=gpx".to_owned();
    for expected in [2, 2, 1] {
        let (page, link) = api.page(&path).await;
        // Of five entries, two have a place; all count for pages.
        assert!(page.contains("<gpx"), "{page}");
        assert_eq!(link.is_some(), expected == 2, "{path}: {link:?}");
        let Some(link) = link else { break };
        let query = link.strip_prefix("<").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        assert!(query.starts_with("?limit=2&user=anna&format=gpx&cursor="), "{query}");
        path = format!("/api/journal{query}");
    }
    let (_, link) = api.page("/api/journal?limit=4&format=geojson").await;
    assert!(link.unwrap().starts_with("<?limit=4&format=geojson&cursor="));
    let (_, link) = api.page("/api/journal?limit=2").await;
    assert_eq!(link, None);
    let trends = api
        .ok("/api/journal/trends?aggregation=1h&from=2026-02-28&to=2026-03-01")
        .await;
    assert_eq!(
        trends["trends"],
        json!([{"from": "2026-02-28T10:00:00Z", "to": "2026-02-28T11:00:00Z", "count": 5}])
    );
    assert_eq!(api.ok("/api/journal/hashtags").await, json!({"hashtags": []}));
    for (path, status) in [
        ("/api/journal/x", 400),
        ("/api/journal/01ARZ3NDEKTSV4RRFFQ69G5FAV", 404),
        ("/api/journal?limit=1001", 400),
        ("/api/journal?with=readings&limit=101", 400),
        ("/api/journal?format=kml", 400),
    ] {
        assert_eq!(api.get(path).await.0.as_u16(), status, "{path}");
    }
    api.execute("UPDATE entry SET deleted = now(), body = ''").await;
    assert_eq!(told(&api, "", "id").await, Vec::<Value>::new());
}
