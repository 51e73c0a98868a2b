//! Days that retention has dropped are named, and never look empty.

use super::Api;
use axum::http::StatusCode;
use serde_json::{Value, json};

const SPEED: &str = "speed";

/// Readings of July; the two days of June are in dumps only.
async fn july() -> Api {
    let api = Api::with(&[
        ("lada", SPEED, "2017-07-01T10:00:00Z", 1.0),
        ("lada", SPEED, "2017-07-01T11:00:00Z", 2.0),
        ("lada", SPEED, "2017-07-02T10:00:00Z", 3.0),
    ])
    .await;
    api.execute("INSERT INTO dropped_day (day, version, revision) VALUES ('2017-06-03', 1, 1), ('2017-06-30', 1, 1)")
        .await;
    api
}

fn days(days: &[&str]) -> Value {
    let named = days
        .iter()
        .map(|day| json!({"date": day, "url": format!("/dumps/{day}.json.gz")}));
    Value::Array(named.collect())
}

#[tokio::test]
async fn answers_name_the_dropped_days_of_their_span() {
    let api = july().await;
    for question in [
        "/api/trends?sensor=speed",
        "/api/trends?sensor=speed&layout=columns",
        "/api/location/track?",
        "/api/trips?",
        "/api/trips/days?",
        "/api/readings?",
    ] {
        for (from, to, expected) in [
            ("2017-06-01", "2017-07-03", &["2017-06-03", "2017-06-30"][..]),
            ("2017-06-30T23:59:59.999999Z", "2017-07-01", &["2017-06-30"]),
            ("2017-06-03", "2017-06-03T00:00:00.000001Z", &["2017-06-03"]),
            ("2017-06-04", "2017-06-30", &[]),
            ("2017-07-01", "2017-07-03", &[]),
        ] {
            let path = format!("{question}&from={from}&to={to}");
            let answer = api.ok(&path).await;
            match expected {
                // The shape of answers is that of before.
                [] => assert!(answer.get("dropped").is_none(), "{path}: {answer}"),
                _ => assert_eq!(answer["dropped"], days(expected), "{path}"),
            }
        }
    }
}

#[tokio::test]
async fn maps_and_gps_tools_are_told() {
    let api = july().await;
    let span = "from=2017-06-01&to=2017-07-03";
    let map = api.ok(&format!("/api/location/track?{span}&format=geojson")).await;
    assert_eq!(map["dropped"], days(&["2017-06-03", "2017-06-30"]));
    let (gpx, _) = api.page(&format!("/api/location/track?{span}&format=gpx")).await;
    assert!(
        gpx.contains("<link href=\"/dumps/2017-06-03.json.gz\"><text>2017-06-03</text></link>"),
        "{gpx}"
    );
}

#[tokio::test]
async fn each_page_names_its_part() {
    let api = july().await;
    for (order, expected) in [
        ("asc", [&["2017-06-03", "2017-06-30"][..], &[], &[]]),
        ("desc", [&[], &[], &["2017-06-03", "2017-06-30"]]),
    ] {
        let mut cursor = String::new();
        for named in expected {
            let page = api.ok(&format!("/api/readings?order={order}&limit=1{cursor}")).await;
            let dropped = page.get("dropped").cloned().unwrap_or(json!([]));
            assert_eq!(dropped, days(named), "{order}: {page}");
            cursor = page["nextCursor"]
                .as_str()
                .map(|next| format!("&cursor={next}"))
                .unwrap_or_default();
        }
        assert!(cursor.is_empty(), "{order}");
    }
}

#[tokio::test]
async fn lines_name_the_first_and_the_last() {
    let api = july().await;
    for (question, expected) in [
        ("format=ndjson", Some("2017-06-03/2017-06-30")),
        ("format=csv&to=2017-06-20", Some("2017-06-03/2017-06-03")),
        ("format=csv&from=2017-07-01", None),
    ] {
        let response = api.response(&format!("/api/readings?{question}"), &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{question}");
        let named = response
            .headers()
            .get("dropped-days")
            .map(|named| named.to_str().unwrap());
        assert_eq!(named, expected, "{question}");
    }
}
