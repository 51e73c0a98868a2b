//! Pages: their order, filters and spans.

use super::*;
use crate::readings::cursor::Cursor;
use axum::http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn pages_have_each_reading_once_and_in_order() {
    let (api, held) = (Api::start().await, held());
    store(&api, &held).await;
    for (filter, devices, sensors) in [
        ("", vec!["Lada", "lada"], vec!["Speed", "fuel", "speed"]),
        ("&device=lada", vec!["lada"], vec!["Speed", "fuel", "speed"]),
        (
            "&device=lada&device=Lada&device=lada",
            vec!["Lada", "lada"],
            vec!["Speed", "fuel", "speed"],
        ),
        ("&sensor=fuel&sensor=speed", vec!["Lada", "lada"], vec!["fuel", "speed"]),
        ("&device=Lada&sensor=Speed", vec!["Lada"], vec!["Speed"]),
        ("&device=niva", vec![], vec![]),
    ] {
        for (span, from, to) in [
            ("", i64::MIN, i64::MAX),
            ("&from=2021-02-27T22:30:00Z", parsed("2021-02-27T22:30:00Z"), i64::MAX),
            ("&to=2021-02-27T22:30:00Z", i64::MIN, parsed("2021-02-27T22:30:00Z")),
            (
                "&from=2021-02-01T00:59:00Z&to=2021-03-28T00:30:00.000001Z",
                parsed("2021-02-01T00:59:00Z"),
                parsed("2021-03-28T00:30:00.000001Z"),
            ),
        ] {
            let mut expected: Vec<Held> = held
                .iter()
                .filter(|(moment, device, sensor, _)| {
                    (from..to).contains(moment)
                        && devices.contains(&device.as_str())
                        && sensors.contains(&sensor.as_str())
                })
                .cloned()
                .collect();
            for order in ["asc", "desc"] {
                for limit in [7, 50, 1000] {
                    let question = format!("order={order}&limit={limit}{filter}{span}");
                    let pages = pages(&api, &question).await;
                    // No page but the last is short, and the last is empty only where all is.
                    assert_eq!(pages.len(), expected.len().div_ceil(limit).max(1), "{question}");
                    assert!(pages.iter().rev().skip(1).all(|page| page.len() == limit), "{question}");
                    assert_eq!(pages.concat(), expected, "{question}");
                }
                expected.reverse();
            }
        }
    }
    let fuel = held.iter().filter(|(_, _, sensor, _)| sensor == "fuel").count();
    assert_eq!(pages(&api, "limit=1&sensor=fuel").await.len(), fuel);
    // A hundred unless told.
    let page = api.ok("/api/readings").await;
    assert_eq!(read(&page["readings"]), held[..100]);
}

/// One of 200 series has 4,000 readings within four seconds, the others one each: more in a window than its share.
#[tokio::test]
async fn series_may_be_uneven() {
    let api = Api::with(&[("d1", "x", "2021-02-28T10:00:00Z", 0.0)]).await;
    api.execute(
        "INSERT INTO series (device, sensor) SELECT 'd' || n, 'x' FROM generate_series(2, 200) AS n;
         INSERT INTO reading
         SELECT id, timestamptz '2021-02-28 10:00Z' + n * interval '1 millisecond', n
         FROM series, generate_series(1, 3999) AS n WHERE device = 'd1';
         INSERT INTO reading
         SELECT id, timestamptz '2021-02-28 10:00Z' + substr(device, 2)::int * interval '20 milliseconds', -1
         FROM series WHERE device <> 'd1'",
    )
    .await;
    let start = parsed("2021-02-28T10:00:00Z");
    let of = |device: i64, millisecond: i64, value: f64| {
        (start + millisecond * 1000, format!("d{device}"), "x".to_owned(), value)
    };
    let dense = (0_i32..4000).map(|n| of(1, n.into(), f64::from(n)));
    let mut expected: Vec<Held> = dense.chain((2..=200).map(|n| of(n, 20 * n, -1.0))).collect();
    expected.sort_by(|one, other| identity(one).cmp(&identity(other)));
    for order in ["asc", "desc"] {
        for limit in [100, 1000, 10_000] {
            let question = format!("order={order}&limit={limit}");
            let told = pages(&api, &question).await.concat();
            assert!(told == expected, "{question}: {} readings", told.len());
        }
        expected.reverse();
    }
}

#[tokio::test]
async fn a_cursor_that_tells_another_density_leads_to_the_same_readings() {
    let (api, held) = (Api::start().await, held());
    store(&api, &held).await;
    for order in ["asc", "desc"] {
        let question = format!("/api/readings?limit=40&order={order}");
        let page = api.ok(&question).await;
        let cursor: Cursor = page["nextCursor"].as_str().unwrap().parse().unwrap();
        let expected = api.ok(&format!("{question}&cursor={cursor}")).await;
        assert_eq!(read(&expected["readings"]).len(), 40);
        for lasted in [i64::MIN, -1, 0, 1, SECOND, i64::MAX] {
            let cursor = Cursor {
                lasted,
                ..cursor.clone()
            };
            let told = api.ok(&format!("{question}&cursor={cursor}")).await;
            assert_eq!(told["readings"], expected["readings"], "{order} {lasted}");
        }
    }
}

#[tokio::test]
async fn names_that_only_sql_writes_are_on_pages() {
    let start = parsed("2021-02-28T10:00:00Z");
    let long = "x".repeat(300);
    let mut held: Vec<Held> = Vec::new();
    for device in ["", " ", "1/2 \"Škoda\"", &long] {
        for sensor in ["9", "speed (km/h)", &long] {
            held.push((start, device.to_owned(), sensor.to_owned(), 1.0));
        }
    }
    let api = Api::start().await;
    store(&api, &held).await;
    for order in ["asc", "desc"] {
        let pages = pages(&api, &format!("limit=1&order={order}")).await;
        assert_eq!(pages.concat(), held, "{order}");
        held.reverse();
    }
}

fn parsed(text: &str) -> i64 {
    time::parse(text).unwrap()
}

#[tokio::test]
async fn readings_carry_the_unit_that_is_known() {
    let api = Api::with(&[
        ("lada", "speed", "2021-02-28T10:00:00Z", 55.5),
        ("lada", "oil", "2021-02-28T10:00:00.000001Z", 3.0),
    ])
    .await;
    let expected = json!({
        "readings": [
            {"device": "lada", "sensor": "speed", "timestamp": "2021-02-28T10:00:00Z", "value": 55.5, "unit": "km/h"},
            {"device": "lada", "sensor": "oil", "timestamp": "2021-02-28T10:00:00.000001Z", "value": 3.0, "unit": null},
        ],
        "nextCursor": null,
    });
    assert_eq!(api.ok("/api/readings").await, expected);
    let nothing = json!({"readings": [], "nextCursor": null});
    assert_eq!(api.ok("/api/readings?device=niva").await, nothing);
    assert_eq!(api.ok("/api/readings?to=2021-02-28").await, nothing);
}

#[tokio::test]
async fn dates_begin_in_the_zone_of_the_request() {
    // Every half hour of three days, on which clocks change in Berlin.
    let start = parsed("2021-03-27T00:00:00Z");
    let held: Vec<Held> = (0..144)
        .map(|half| (start + half * 1800 * SECOND, "lada".to_owned(), "x".to_owned(), 1.0))
        .collect();
    let api = Api::start().await;
    store(&api, &held).await;
    // Of St. John's, the day has 24 hours: clocks changed two weeks before.
    for (zone, from, to) in [
        ("", "2021-03-28T00:00:00Z", "2021-03-29T00:00:00Z"),
        ("&tz=Europe/Berlin", "2021-03-27T23:00:00Z", "2021-03-28T22:00:00Z"),
        ("&tz=America/St_Johns", "2021-03-28T02:30:00Z", "2021-03-29T02:30:00Z"),
    ] {
        let (from, to) = (parsed(from), parsed(to));
        let expected: Vec<Held> = held
            .iter()
            .filter(|held| (from..to).contains(&held.0))
            .cloned()
            .collect();
        let question = format!("from=2021-03-28&to=2021-03-29{zone}&limit=20");
        assert_eq!(pages(&api, &question).await.concat(), expected, "{zone}");
    }
}

#[tokio::test]
async fn a_span_before_now_pages() {
    let now = time::now();
    let ago = |minutes: i64| time::exact(now - minutes * 60 * SECOND);
    let api = Api::with(&[
        ("lada", "x", &ago(121), 1.0),
        ("lada", "x", &ago(119), 2.0),
        ("lada", "x", &ago(1), 3.0),
        // A device's clock is ahead.
        ("lada", "x", &ago(-5), 4.0),
    ])
    .await;
    let values = |pages: Vec<Vec<Held>>| -> Vec<f64> { pages.concat().iter().map(|held| held.3).collect() };
    for order in ["asc", "desc"] {
        let mut expected = vec![2.0, 3.0, 4.0];
        if order == "desc" {
            expected.reverse();
        }
        let question = format!("from=-2h&limit=1&order={order}");
        assert_eq!(values(pages(&api, &question).await), expected, "{order}");
    }
    assert_eq!(values(pages(&api, "from=-2h&to=-1m&limit=1").await), [2.0, 3.0]);
    assert_eq!(values(pages(&api, "from=-2h&to=-2m").await), [2.0]);
}

#[tokio::test]
async fn many_series_need_a_device_or_sensors() {
    let api = Api::with(&[("d1", "x", "2021-02-28T10:00:00Z", 1.0)]).await;
    api.execute("INSERT INTO series (device, sensor) SELECT 'd' || n, 'x' FROM generate_series(2, 1000) AS n")
        .await;
    assert_eq!(pages(&api, "limit=10").await.concat().len(), 1);
    api.execute("INSERT INTO series (device, sensor) VALUES ('d1001', 'y')")
        .await;
    api.execute("INSERT INTO series (device, sensor) SELECT 'all', 's' || n FROM generate_series(1, 1001) AS n")
        .await;
    let all = format!(
        "device=all&device=d1&{}",
        (1..=1001).map(|n| format!("sensor=s{n}")).collect::<Vec<_>>().join("&")
    );
    for (question, name, what) in [
        ("", "device", "a device"),
        ("device=all", "sensor", "sensors"),
        (&*all, "sensor", "fewer devices or sensors"),
    ] {
        let (status, problem) = api.get(&format!("/api/readings?{question}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(
            problem["detail"],
            format!("{name}: these are more than 1000 series: name {what}, or take all of them with format=ndjson")
        );
    }
    for question in ["device=d1", "sensor=x"] {
        assert_eq!(pages(&api, question).await.concat().len(), 1, "{question}");
    }
    assert_eq!(text(&api, "/api/readings?format=ndjson").await.lines().count(), 1);
}
