//! What definitions say, and how wrong ones are refused.

use super::{Api, finished, json_of, managed, nowhere, send};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::fmt::Write;

#[tokio::test]
async fn a_subscription_is_made_shown_replaced_and_deleted() {
    let api = Api::start().await;
    let mut made = api.hot().await;
    for shown in [
        api.ok(200, "GET", "/api/subscriptions/hot", Value::Null).await,
        api.ok(200, "GET", "/api/subscriptions", Value::Null).await["subscriptions"][0].clone(),
    ] {
        assert_eq!(shown, made);
    }
    let (id, created) = (made["id"].take(), made["created"].take());
    assert!(id.is_string() && created.is_string());
    assert_eq!(
        made,
        json!({"id": null, "created": null, "name": "hot", "state": "active", "pending": 0, "gaps": 0,
            "topic": "odograph.readings", "device": "lada", "filter": "engine_temperature > 105", "fire": "rise",
            "for": "30s", "silence": "1m", "tolerance": "10s", "targetUrl": "https://hooks.example.com/x",
            "format": "standard", "method": "POST", "headers": {}, "ordering": "key", "parallel": 16,
            "timeout": "15s", "enabled": true})
    );
    // Names of other endpoints are names of subscriptions, too.
    let all = json!({"name": "test", "topic": "odograph.readings", "device": "truck-*", "filter": "speed > 50.0",
        "clear": "speed < 40.0", "fire": "both", "for": "1h30m", "silence": "5m", "tolerance": "500ms",
        "every": "1d", "maxAge": "7d", "targetUrl": "http://10.1.2.3/x", "format": "text",
        "body": "device + \" is fast\"", "method": "PUT", "headers": {"Authorization": "Bearer hunter2"},
        "ordering": "none", "parallel": 3, "rate": 2.5, "timeout": "3s", "retries": ["0s", "30s", "2h"],
        "enabled": true});
    let mut made = api.ok(201, "POST", "/api/subscriptions", all.clone()).await;
    assert!(!made.to_string().contains("hunter2"));
    // What is shown can be sent back, and changes nothing.
    let sent_back = api.ok(200, "PUT", "/api/subscriptions/test", made.clone()).await;
    assert_eq!(sent_back, made);
    let client = api.pool.get().await.unwrap();
    let headers = "SELECT headers->>'Authorization', rule FROM subscription WHERE name = 'test'";
    let row = client.query_one(headers, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("Bearer hunter2", 1));
    assert_eq!(made["headers"], json!({"Authorization": null}));
    for (name, value) in all.as_object().unwrap() {
        if name != "headers" {
            assert_eq!(made[name], *value, "{name}");
        }
    }
    // Replacing sets what is left out to its default, keeps the id, and may give another name.
    let new = json!({"name": "fast", "filter": "speed > 60.0", "targetUrl": "https://hooks.example.com/y"});
    let replaced = api.ok(200, "PUT", "/api/subscriptions/test", new).await;
    assert_eq!(replaced["id"], made["id"].take());
    assert_eq!((&replaced["name"], &replaced["headers"]), (&json!("fast"), &json!({})));
    assert_eq!(replaced["retries"], Value::Null);
    api.ok(404, "GET", "/api/subscriptions/test", Value::Null).await;
    api.ok(
        409,
        "PUT",
        "/api/subscriptions/fast",
        json!({"name": "hot", "filter": "speed > 1", "targetUrl": "https://a.example"}),
    )
    .await;
    api.ok(204, "DELETE", "/api/subscriptions/fast", Value::Null).await;
    api.ok(404, "DELETE", "/api/subscriptions/fast", Value::Null).await;
    api.ok(404, "PUT", "/api/subscriptions/fast", json!({})).await;
}

#[tokio::test]
async fn a_name_is_given_once_and_subscriptions_are_bounded() {
    let api = Api::start().await;
    let hot = json!({"name": "hot", "filter": "speed > 1", "targetUrl": "https://hooks.example.com/x"});
    api.ok(201, "POST", "/api/subscriptions", hot.clone()).await;
    let taken = api.ok(409, "POST", "/api/subscriptions", hot).await;
    assert!(
        taken["detail"].as_str().unwrap().contains("\"hot\" is taken"),
        "{taken}"
    );
    api.execute("INSERT INTO subscription (target_url) SELECT 'https://a.example' FROM generate_series(2, 10000)")
        .await;
    let more = json!({"name": "more", "filter": "speed > 1", "targetUrl": "https://hooks.example.com/x"});
    let full = api.ok(409, "POST", "/api/subscriptions", more).await;
    assert!(
        full["detail"].as_str().unwrap().contains("10000 subscriptions"),
        "{full}"
    );
    let all = api.ok(200, "GET", "/api/subscriptions", Value::Null).await;
    assert_eq!(all["subscriptions"].as_array().unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_rule_that_is_not_in_force_yet_is_answered_with_202() {
    let api = Api::without_evaluator().await;
    let hot = json!({"name": "hot", "filter": "speed > 1", "targetUrl": "https://hooks.example.com/x"});
    let made = api.ok(202, "POST", "/api/subscriptions", hot.clone()).await;
    assert_eq!(made["state"], "pending");
    // In force while an answer waits for it.
    let replacing = api.ok(200, "PUT", "/api/subscriptions/hot", hot);
    let evaluating = testutil::poll(std::time::Duration::from_secs(5), || async {
        let client = api.pool.get().await.unwrap();
        let changed = client
            .execute("UPDATE subscription SET in_force = rule", &[])
            .await
            .unwrap();
        (changed == 1).then_some(())
    });
    let (replaced, ()) = tokio::join!(replacing, evaluating);
    assert_eq!(replaced["state"], "active");
    api.execute("UPDATE subscription SET in_force = NULL, problem = 'The filter cannot be read.'")
        .await;
    let shown = api.ok(200, "GET", "/api/subscriptions/hot", Value::Null).await;
    assert_eq!(
        (&shown["state"], &shown["problem"]),
        (&json!("problem"), &json!("The filter cannot be read."))
    );
    // One that is paused does not wait.
    let paused =
        json!({"name": "off", "filter": "speed > 1", "targetUrl": "https://hooks.example.com/x", "enabled": false});
    assert_eq!(
        api.ok(201, "POST", "/api/subscriptions", paused).await["state"],
        "paused"
    );
    // A definition that does not say so resumes nothing; of one that was disabled for its endpoint it is a correction.
    let edited = json!({"filter": "speed > 2", "targetUrl": "https://hooks.example.com/x"});
    let kept = api.ok(200, "PUT", "/api/subscriptions/off", edited.clone()).await;
    assert_eq!((&kept["state"], &kept["enabled"]), (&json!("paused"), &json!(false)));
    api.execute("UPDATE subscription SET problem = 'gone', failing = now() WHERE name = 'off'")
        .await;
    let corrected = api.ok(202, "PUT", "/api/subscriptions/off", edited).await;
    assert_eq!(corrected["enabled"], json!(true));
    // From then on it fails anew.
    assert_eq!(
        api.count("subscription WHERE name = 'off' AND failing IS NULL").await,
        1
    );
}

/// A definition that lacks nothing, with other members.
fn with(members: &Value) -> Value {
    let mut definition = json!({"name": "hot", "filter": "speed > 1", "targetUrl": "https://hooks.example.com/x"});
    for (name, value) in members.as_object().unwrap() {
        definition[name] = value.clone();
    }
    definition
}

#[tokio::test]
async fn wrong_definitions_are_told_why_before_the_database_is_asked() {
    let routes = finished(managed(&nowhere()));
    let mut answers = String::new();
    for members in [
        json!({"fliter": "x", "Name": 1}),
        json!({"name": null}),
        json!({"name": "a b"}),
        json!({"name": ".."}),
        json!({"name": "x".repeat(65)}),
        json!({"name": 7}),
        json!({"topic": ""}),
        json!({"topic": "t1", "filter": "true", "device": "lada"}),
        json!({"topic": "t1", "filter": "true", "for": "3s"}),
        json!({"device": "la da"}),
        json!({"filter": "device == \"lada\""}),
        json!({"filter": null}),
        json!({"clear": "speed <"}),
        json!({"clear": "speed < 1", "fire": "each"}),
        json!({"fire": "often"}),
        json!({"fire": "quiet"}),
        json!({"for": "soon"}),
        json!({"for": 30}),
        json!({"for": "3651d"}),
        json!({"silence": "0s"}),
        json!({"tolerance": "2d"}),
        json!({"every": "0s"}),
        json!({"maxAge": "-1s"}),
        json!({"targetUrl": null}),
        json!({"targetUrl": "ftp://a.example"}),
        json!({"targetUrl": "http://a.example"}),
        json!({"targetUrl": "https://127.0.0.1/"}),
        json!({"targetUrl": "https://[::ffff:10.0.0.1]/"}),
        json!({"targetUrl": "https://169.254.169.254/"}),
        json!({"format": "xml"}),
        json!({"format": "text"}),
        json!({"format": "text", "body": "device +"}),
        json!({"body": "device"}),
        json!({"method": "CONNECT"}),
        json!({"headers": []}),
        json!({"headers": {"Host": "x"}}),
        json!({"headers": {"X": 1}}),
        json!({"headers": {"X": null}}),
        json!({"ordering": "total"}),
        json!({"parallel": 0}),
        json!({"parallel": 1.5}),
        json!({"rate": 0}),
        json!({"timeout": "61s"}),
        json!({"retries": []}),
        json!({"retries": ["0s", 5]}),
        json!({"retries": ["31d"]}),
        json!({"enabled": "yes"}),
        json!({"topic": "trips", "every": "1h"}),
        json!({"fire": "quiet", "for": "1h", "maxAge": "1h"}),
    ] {
        let body = with(&members).to_string();
        let response = send(&routes, "POST", "/api/subscriptions", body, Some(super::KEY)).await;
        let status = response.status();
        let problem = json_of(response).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{members}: {problem}");
        let _written = writeln!(answers, "{members}\n    {}", problem["detail"].as_str().unwrap());
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
    insta::assert_snapshot!(answers);
}

#[tokio::test]
async fn a_bad_filter_is_told_with_position_and_hint() {
    let routes = finished(managed(&nowhere()));
    let body = with(&json!({"filter": "speed > 1 &&\n  outside(\"home\")"})).to_string();
    let problem = json_of(send(&routes, "POST", "/api/subscriptions", body, Some(super::KEY)).await).await;
    assert_eq!(problem["member"], "filter", "{problem}");
    assert_eq!(problem["position"], json!({"line": 2, "column": 3}), "{problem}");
    assert!(problem["hint"].as_str().unwrap().contains("inside/1"), "{problem}");
    let body = with(&json!({"targetUrl": "https://10.9.0.1/"})).to_string();
    let problem = json_of(send(&routes, "POST", "/api/subscriptions", body, Some(super::KEY)).await).await;
    assert_eq!(problem["member"], "targetUrl", "{problem}");
    assert!(
        problem["hint"].as_str().unwrap().contains("--allow-target"),
        "{problem}"
    );
}

#[tokio::test]
async fn bodies_are_objects_of_a_bounded_size() {
    let routes = finished(managed(&nowhere()));
    for (method, path, body, status, expected) in [
        ("POST", "/api/subscriptions", "{".to_owned(), 400, "not JSON"),
        ("POST", "/api/subscriptions", "[]".to_owned(), 400, "not a JSON object"),
        ("POST", "/api/subscriptions", "x".repeat(64 * 1024 + 1), 413, "64 KiB"),
        ("POST", "/api/areas", "x".repeat(1024 * 1024 + 1), 413, "1 MiB"),
        (
            "GET",
            "/api/subscriptions/hot/attempts?limit=0",
            String::new(),
            400,
            "from 1 to 1000",
        ),
        (
            "GET",
            "/api/subscriptions/hot/attempts?limits=3",
            String::new(),
            400,
            "takes limit",
        ),
        ("GET", "/api/subscriptions/a%00b", String::new(), 404, "no subscription or area"),
        ("PATCH", "/api/subscriptions/hot", String::new(), 405, "method"),
        (
            "POST",
            "/api/subscriptions/hot/redrive",
            "{}".to_owned(),
            400,
            "name some ids",
        ),
        (
            "POST",
            "/api/subscriptions/hot/redrive",
            r#"{"ids":["x"]}"#.to_owned(),
            400,
            "ids: write a list",
        ),
        (
            "POST",
            "/api/subscriptions/hot/redrive",
            r#"{"ids":[],"all":true}"#.to_owned(),
            400,
            "ids: write",
        ),
        (
            "POST",
            "/api/subscriptions/hot/replays",
            "{}".to_owned(),
            400,
            "from: it is missing",
        ),
        (
            "POST",
            "/api/subscriptions/hot/replays",
            r#"{"from":"yesterday"}"#.to_owned(),
            400,
            "from: write a time",
        ),
        (
            "POST",
            "/api/subscriptions/hot/replays",
            r#"{"from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}"#.to_owned(),
            400,
            "to: it is not after",
        ),
        (
            "POST",
            "/api/subscriptions/hot/replays",
            r#"{"from":"2026-01-02T00:00:00Z","mode":"some"}"#.to_owned(),
            400,
            "mode: write one of missed, all",
        ),
        (
            "POST",
            "/api/subscriptions/hot/resume",
            r#"{"missed":"keep"}"#.to_owned(),
            400,
            "missed: write one of send, drop",
        ),
        (
            "POST",
            "/api/subscriptions/hot/pause",
            r#"{"for":"1h"}"#.to_owned(),
            400,
            "\"for\": unknown",
        ),
        (
            "POST",
            "/api/subscriptions/hot/rotate",
            r#"{"overlap":"31d"}"#.to_owned(),
            400,
            "overlap: write a span",
        ),
        (
            "POST",
            "/api/subscriptions/test",
            r#"{"filter":"speed > 1"}"#.to_owned(),
            400,
            "from: it is missing",
        ),
        (
            "POST",
            "/api/subscriptions/test",
            r#"{"filter":"speed >","from":"2026-01-02T00:00:00Z"}"#.to_owned(),
            400,
            "filter: line 1",
        ),
        (
            "POST",
            "/api/subscriptions",
            r#"{"name":"hot","filter":"speed","targetUrl":"https://hooks.example.com"}"#.to_owned(),
            400,
            "filter: line 1, column 1: The result is a number, not true or false. Compare it",
        ),
        (
            "POST",
            "/api/subscriptions",
            r#"{"name":"hot","filter":"speed > 1","clear":"speed * 2 < 1","targetUrl":"https://hooks.example.com"}"#
                .to_owned(),
            400,
            "clear: line 1, column 1: * does not take double and int.",
        ),
        (
            "POST",
            "/api/subscriptions",
            r#"{"name":"hot","filter":"speed > 1","format":"text","body":"speed","targetUrl":"https://hooks.example.com"}"#
                .to_owned(),
            400,
            "body: line 1, column 1: The result is a number, not a text. Write string(…) around it.",
        ),
        (
            "POST",
            "/api/subscriptions",
            r#"{"name":"hot","filter":"speed > 1","format":"text","body":"string(fuel)","targetUrl":"https://hooks.example.com"}"#
                .to_owned(),
            400,
            "body: line 1, column 1: An event has no fuel",
        ),
        (
            "POST",
            "/api/areas",
            r#"{"name":"home"}"#.to_owned(),
            400,
            "geojson: it is missing",
        ),
        (
            "POST",
            "/api/areas",
            r#"{"name":"home","geojson":{"type":"Point"}}"#.to_owned(),
            400,
            "geojson: an area is",
        ),
        (
            "PUT",
            "/api/areas/home",
            r#"{"type":"Point"}"#.to_owned(),
            400,
            "geojson: an area is",
        ),
    ] {
        let response = send(&routes, method, path, body, Some(super::KEY)).await;
        let found = response.status();
        let problem = json_of(response).await;
        assert_eq!(found, status, "{path}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(expected),
            "{path}: {problem}"
        );
    }
}

#[tokio::test]
async fn a_definition_is_tested_without_a_name_or_target() {
    let routes = finished(managed(&nowhere()));
    let body = json!({"filter": "speed > 1", "headers": {"X": null}, "from": "1970-01-01T00:00:01Z", "to": "1970-01-01T00:00:02Z"});
    let response = send(
        &routes,
        "POST",
        "/api/subscriptions/test",
        body.to_string(),
        Some(super::KEY),
    )
    .await;
    let expected = json!({"matched": 1, "events": [{"filter": "speed > 1", "from": 1_000_000, "to": 2_000_000}]});
    assert_eq!(json_of(response).await, expected);
}

#[tokio::test]
async fn areas_are_made_listed_replaced_and_deleted() {
    let api = Api::start().await;
    let square = json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]});
    let feature = json!({"type": "Feature", "properties": {}, "geometry": square});
    let home = json!({"name": "home", "geojson": feature});
    let made = api.ok(201, "POST", "/api/areas", home.clone()).await;
    assert_eq!(made, json!({"name": "home", "geojson": square}));
    api.ok(409, "POST", "/api/areas", home).await;
    let listed = api.ok(200, "GET", "/api/areas", Value::Null).await;
    assert_eq!(listed, json!({"areas": [{"name": "home", "points": 5}]}));
    let triangle = json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]});
    for body in [triangle.clone(), json!({"name": "home", "geojson": triangle})] {
        let replaced = api.ok(200, "PUT", "/api/areas/home", body).await;
        assert_eq!(replaced["geojson"], triangle);
    }
    assert_eq!(
        api.ok(200, "GET", "/api/areas/home", Value::Null).await["geojson"],
        triangle
    );
    api.ok(404, "PUT", "/api/areas/yard", triangle).await;
    api.ok(204, "DELETE", "/api/areas/home", Value::Null).await;
    api.ok(404, "DELETE", "/api/areas/home", Value::Null).await;
    api.ok(404, "GET", "/api/areas/home", Value::Null).await;
}
