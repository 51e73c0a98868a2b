//! Which questions are answered: their spans, and why others are refused.

use super::*;
use axum::http::StatusCode;
use std::fmt::Write;

#[tokio::test]
async fn the_last_24_hours_unless_told() {
    let now = Timestamp::now();
    let ago = |hours: i64| {
        Timestamp::from_second(now.as_second() - hours * 3600)
            .unwrap()
            .to_string()
    };
    let api = Api::with(&[
        ("lada", "x", &ago(25), 1.0),
        ("lada", "x", &ago(23), 2.0),
        ("lada", "x", &ago(1), 3.0),
        ("lada", "x", &ago(-1), 4.0),
    ])
    .await;
    let values =
        |buckets: Vec<Value>| -> Vec<f64> { buckets.iter().map(|bucket| bucket["avg"].as_f64().unwrap()).collect() };
    assert_eq!(values(buckets_of(&api, "sensor=x").await), [2.0, 3.0]);
    let since = format!("sensor=x&from={}", ago(26));
    assert_eq!(values(buckets_of(&api, &since).await), [1.0, 2.0, 3.0]);
    let until = format!("sensor=x&to={}", ago(2));
    assert_eq!(values(buckets_of(&api, &until).await), [1.0, 2.0]);
    // Spans before now.
    assert_eq!(values(buckets_of(&api, "sensor=x&from=-26h").await), [1.0, 2.0, 3.0]);
    assert_eq!(values(buckets_of(&api, "sensor=x&from=-26h&to=-2h").await), [1.0, 2.0]);
}

#[tokio::test]
async fn a_date_begins_in_the_zone_of_the_request() {
    let api = Api::with(&[
        ("lada", "x", "2021-02-27T22:59:59Z", 1.0),
        ("lada", "x", "2021-02-27T23:00:00Z", 2.0),
        ("lada", "x", "2021-02-28T00:00:00Z", 3.0),
        ("lada", "x", "2021-02-28T23:00:00Z", 4.0),
    ])
    .await;
    for (zone, expected) in [("", vec![3.0, 4.0]), ("&tz=Europe/Berlin", vec![2.0, 3.0])] {
        let day = format!("sensor=x&from=2021-02-28&to=2021-03-01&aggregation=1h{zone}");
        let values: Vec<Value> = buckets_of(&api, &day)
            .await
            .iter()
            .map(|bucket| bucket["avg"].clone())
            .collect();
        assert_eq!(values, expected, "{zone}");
    }
}

#[tokio::test]
async fn as_many_buckets_as_an_answer_holds() {
    let api = Api::with(&HOUR).await;
    // 10,000 seconds.
    let most = "sensor=speed&aggregation=1s&from=2021-02-28T10:00:00Z&to=2021-02-28T12:46:40Z";
    assert_eq!(buckets_of(&api, &format!("{most}&fill=zero")).await.len(), 10_000);
    assert_eq!(buckets_of(&api, most).await.len(), 6);
    for fill in ["none", "zero"] {
        let more = most.replace("12:46:40Z", "12:46:40.000001Z");
        let (status, problem) = api.get(&format!("/api/trends?{more}&fill={fill}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{fill}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(problem["detail"].as_str().unwrap());
        }
    }
}

#[tokio::test]
async fn wrong_questions_are_told_why() {
    let api = Api::start().await;
    let mut answers = String::new();
    for query in [
        "",
        "sensor=-x",
        "sensor=x&device=",
        "sensor=x&sensor=x",
        "sensor=x&from=yesterday",
        "sensor=x&from=-2",
        "sensor=x&from=2021-02-28&tz=Berlin",
        "sensor=x&from=2021-02-28T10:00:00+01:00",
        "sensor=x&to=2021-02-30T10:00:00Z",
        "sensor=x&from=2021-02-28T10:00:00Z&to=2021-02-28T10:00:00Z",
        "sensor=x&from=9999-12-30T00:00:00Z",
        "sensor=x&aggregation=999ms",
        "sensor=x&aggregation=fortnight",
        "sensor=x&function=mean",
        "sensor=x&function=avg,avg",
        "sensor=x&function=",
        "sensor=x&fill=cubic",
    ] {
        let (status, problem) = api.get(&format!("/api/trends?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(problem["status"], 400, "{query}");
        writeln!(answers, "?{query}\n  {}", problem["detail"].as_str().unwrap()).unwrap();
    }
    insta::assert_snapshot!(answers);
}

#[tokio::test]
async fn the_ends_of_the_calendar() {
    let api = Api::start().await;
    for (query, buckets) in [
        (
            "from=0000-01-01T00:00:00Z&to=9999-12-30T21:59:59Z&aggregation=36500d",
            101,
        ),
        ("to=0000-01-02T00:00:00Z", 96),
        (
            "from=0000-01-01T00:00:00Z&to=0000-01-01T00:00:01Z&aggregation=36500d",
            1,
        ),
    ] {
        let found = buckets_of(&api, &format!("sensor=x&{query}&fill=null")).await;
        assert_eq!(found.len(), buckets, "{query}");
        assert_eq!(found[0]["timestamp"], "0000-01-01T00:00:00Z", "{query}");
        // The query reaches the database, too.
        let api = Api::with(&[("lada", "x", "2021-02-28T10:00:00Z", 1.0)]).await;
        buckets_of(&api, &format!("sensor=x&{query}&fill=null")).await;
    }
    for before in [
        // Its beginning, a day before.
        "to=0000-01-01T00:00:00Z",
        "from=0000-01-01&to=0000-01-03&tz=Europe/Berlin",
        "from=0000-01-01T00:00:00%2B01:00&to=0000-01-03",
    ] {
        let (status, problem) = api.get(&format!("/api/trends?sensor=x&{before}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{before}: {problem}");
    }
}
