//! What requests look like.

use super::endpoint::{Endpoint, Say, Seen};
use super::fixture::{Fixture, KEY};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{hkdf, hmac};
use uuid::Uuid;

const READING: &str = r#"{"subscription": "hot", "device": "lada", "state": true, "since": "2026-01-02T03:04:00Z",
    "values": {"engine_temperature": 106.2, "gear-no": 3}, "late": false}"#;
const MESSAGE: &str = r#"{"body": {"x": [1, 1.50]}, "http_method": "put", "path_params": {"id": "a/b ü"},
    "query_params": {"q": ["1", true], "r": "a&b"},
    "headers": {"X-One": ["1", "2"], "Host": "evil.example", "webhook-id": "x", "Connection": "close", "X-Mine": "theirs"}}"#;

/// Sends one delivery, and returns the request.
async fn sent(path: &str, key: &str, data: &str, more: &[(&str, &str)]) -> Seen {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Status(200)).await;
    let id = ("id", "'00000000-0000-0000-0000-000000000007'");
    let more: Vec<(&str, &str)> = more.iter().copied().chain([id]).collect();
    let hot = fixture
        .subscribe("hot", &format!("{}{path}", endpoint.url), &more)
        .await;
    deliver(&fixture, hot, key, data).await;
    let _running = fixture.run(1).await;
    fixture.until("delivered", 1).await;
    endpoint.seen().remove(0)
}

async fn deliver(fixture: &Fixture, subscription: Uuid, key: &str, data: &str) {
    fixture
        .query(&format!(
            "INSERT INTO delivery (subscription, seq, id, key, type, moment, data)
             VALUES ('{subscription}', 42, '0195a000-0000-8000-8000-000000000001', {key}, 'odograph.reading.rise.v1',
                 '2026-01-02T03:04:05.678Z', '{data}')"
        ))
        .await;
}

/// A request as a text that is the same each time.
fn shown(seen: &Seen) -> String {
    let mut lines = vec![format!("{} {}", seen.method, seen.uri)];
    for (name, value) in &seen.headers {
        let value = match name.as_str() {
            "host" | "webhook-timestamp" | "webhook-signature" | "user-agent" => "…",
            _ => value.to_str().unwrap(),
        };
        lines.push(format!("{name}: {value}"));
    }
    lines.sort();
    lines.push(String::new());
    lines.push(String::from_utf8(seen.body.to_vec()).unwrap());
    lines.join("\n")
}

#[tokio::test]
async fn standard() {
    let seen = sent("?a=b", "'lada'", READING, &[("headers", r#"'{"X-Mine": "ours"}'"#)]).await;
    insta::assert_snapshot!(shown(&seen));
    assert_eq!(signatures(&seen), [expected(&seen, 1)]);
}

#[tokio::test]
async fn cloudevents() {
    let seen = sent(
        "",
        "'lada'",
        READING,
        &[("format", "'cloudevents'"), ("method", "'PUT'")],
    )
    .await;
    insta::assert_snapshot!(shown(&seen));
}

#[tokio::test]
async fn text() {
    let body = r#"'device + " is hot: " + string(engine_temperature) + ", gear " + string(value["gear-no"]) + (state ? "!" : "?")'"#;
    let filter = r#"'engine_temperature > 105 && value["gear-no"] > 0.0'"#;
    let columns = [("filter", filter), ("format", "'text'"), ("body", body)];
    let seen = sent("", "'lada'", READING, &columns).await;
    insta::assert_snapshot!(shown(&seen));
}

#[tokio::test]
async fn text_of_a_message_as_json() {
    let seen = sent(
        "",
        "'lada'",
        MESSAGE,
        &[
            ("topic", "'t1'"),
            ("format", "'text'"),
            (
                "body",
                r#"'"{\"text\":\"" + topic + " " + key + " " + string(data.body.x[0]) + "\"}"'"#,
            ),
            ("headers", r#"'{"content-type": "application/json"}'"#),
        ],
    )
    .await;
    insta::assert_snapshot!(shown(&seen));
}

#[tokio::test]
async fn request() {
    let headers = ("headers", r#"'{"x-mine": "ours"}'"#);
    let seen = sent(
        "/:id/x?a=b",
        "NULL",
        MESSAGE,
        &[("topic", "'t1'"), ("format", "'request'"), headers],
    )
    .await;
    insta::assert_snapshot!(shown(&seen));
    assert_eq!(signatures(&seen), [expected(&seen, 1)]);
}

#[tokio::test]
async fn a_request_that_cannot_be_built_is_dead_at_once() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Status(200)).await;
    let url = |path: &str| format!("{}{path}", endpoint.url);
    let (topic, request) = (("topic", "'t1'"), ("format", "'request'"));
    let mut wrong = Vec::new();
    for (name, path, data, more) in [
        ("a", "/:id", "{}", vec![topic, request]),
        ("b", "/:id", r#"{"path_params": {"id": ".."}}"#, vec![topic, request]),
        ("c", "", r#"{"http_method": "BREW"}"#, vec![topic, request]),
        (
            "d",
            "",
            "{}",
            vec![topic, ("format", "'text'"), ("body", "'data.body'")],
        ),
        (
            "e",
            "",
            r#"{"body": 1}"#,
            vec![topic, ("format", "'text'"), ("body", "'data.body'")],
        ),
    ] {
        let id = fixture.subscribe(name, &url(path), &more).await;
        deliver(&fixture, id, "'lada'", data).await;
        wrong.push(name);
    }
    let _running = fixture.run(1).await;
    fixture.until("dead", 5).await;
    let rows = fixture
        .query("SELECT s.name, a.error FROM attempt AS a JOIN subscription AS s ON s.id = a.subscription ORDER BY name")
        .await;
    let told: Vec<String> = rows
        .iter()
        .map(|row| format!("{}: {}", row.get::<_, &str>(0), row.get::<_, &str>(1)))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn both_secrets_sign_during_a_rotation() {
    let rotation = [("generation", "3"), ("previous_until", "now() + interval '1 h'")];
    let seen = sent("", "'lada'", READING, &rotation).await;
    assert_eq!(signatures(&seen), [expected(&seen, 3), expected(&seen, 2)]);
    let rotation = [("generation", "3"), ("previous_until", "now() - interval '1 h'")];
    let seen = sent("", "'lada'", READING, &rotation).await;
    assert_eq!(signatures(&seen), [expected(&seen, 3)]);
}

fn signatures(seen: &Seen) -> Vec<String> {
    seen.header("webhook-signature").split(' ').map(str::to_owned).collect()
}

/// The signature of Standard Webhooks, computed apart from the crate that signs.
fn expected(seen: &Seen, generation: u32) -> String {
    struct Length;
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            32
        }
    }
    let owner = Uuid::from_u128(7).into_bytes();
    let mut secret = [0; 32];
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"odograph webhook secret v1").extract(KEY.as_bytes());
    salt.expand(&[&owner, &generation.to_be_bytes()], Length)
        .unwrap()
        .fill(&mut secret)
        .unwrap();
    let text = format!("{}.{}.", seen.header("webhook-id"), seen.header("webhook-timestamp"));
    let signed = [text.as_bytes(), &seen.body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), &signed);
    format!("v1,{}", STANDARD.encode(tag))
}
