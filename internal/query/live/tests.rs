//! The live stream over a real database.

use super::LiveOptions;
use crate::tests::Api;
use crate::{Admission, Options};
use axum::body::BodyDataStream;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// The longest that an event may take to arrive.
const LONG: Duration = Duration::from_secs(60);

const NOON: &str = "2024-05-01T12:00:00Z";

/// An event.
#[derive(Debug)]
struct Heard {
    name: String,
    data: Value,
}

/// One client.
struct Client {
    stream: BodyDataStream,
    text: String,
    id: Option<String>,
}

impl Client {
    async fn listen(api: &Api, path: &str, id: Option<&str>) -> Self {
        let headers: Vec<(&str, &str)> = id.map(|id| ("last-event-id", id)).into_iter().collect();
        Self::of(api.response(path, &headers).await)
    }

    fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        Self {
            stream: response.into_body().into_data_stream(),
            text: String::new(),
            id: None,
        }
    }

    /// The next event.
    async fn next(&mut self) -> Heard {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                self.id = field("id: ").or(self.id.take());
                if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                    let data = serde_json::from_str(&data).unwrap();
                    return Heard { name, data };
                }
                continue;
            }
            let piece = timeout(LONG, self.stream.next()).await.unwrap().unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// Waits for this event. Returns those before it.
    async fn until(&mut self, name: &str, data: &Value) -> Vec<Heard> {
        let mut before = Vec::new();
        loop {
            let heard = self.next().await;
            if heard.name == name && heard.data == *data {
                return before;
            }
            before.push(heard);
        }
    }

    /// Waits until it has an id that this event stands behind.
    async fn id(&mut self) -> String {
        timeout(LONG, async {
            while self.id.is_none() {
                let piece = self.stream.next().await.unwrap().unwrap();
                self.text.push_str(std::str::from_utf8(&piece).unwrap());
                let lines = self.text.lines();
                self.id = lines
                    .filter_map(|line| line.strip_prefix("id: "))
                    .next_back()
                    .map(str::to_owned);
            }
        })
        .await
        .unwrap();
        self.id.clone().unwrap()
    }
}

/// The server's id, its timeline, and the rest of an event's id.
fn parts(id: &str) -> [&str; 3] {
    let parts: Vec<&str> = id.splitn(3, '-').collect();
    parts.try_into().unwrap()
}

fn latest(device: &str, value: f64, timestamp: &str) -> Value {
    json!({"device": device, "sensor": "speed", "value": value, "unit": "km/h", "timestamp": timestamp})
}

fn day(device: &str, version: i64) -> Value {
    json!({"device": device, "day": "2024-05-01", "version": version})
}

/// As the transaction that writes readings does.
fn note(device: &str, version: i64) -> String {
    format!(
        "INSERT INTO device_day (device, day, version) VALUES ('{device}', '2024-05-01', {version})
         ON CONFLICT (device, day) DO UPDATE SET version = excluded.version, xid = excluded.xid"
    )
}

async fn add(api: &Api, device: &str, timestamp: &str, value: f64, version: i64) {
    api.add(&[(device, "speed", timestamp, value)]).await;
    api.execute(&note(device, version)).await;
}

#[tokio::test]
async fn a_listener_gets_the_state_and_then_changes() {
    let api = Api::start().await;
    add(&api, "lada", NOON, 1.0, 1).await;
    let response = api.response("/api/live", &[]).await;
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-accel-buffering"), "no");
    let mut client = Client::of(response);
    let hello = client.next().await;
    assert_eq!(hello.name, "hello");
    assert!(hello.data["time"].is_string(), "{hello:?}");
    let first = client.next().await;
    assert_eq!((first.name.as_str(), first.data), ("latest", latest("lada", 1.0, NOON)));
    // A day that changed before is no news.
    add(&api, "lada", "2024-05-01T12:00:01Z", 2.0, 2).await;
    let between = client.until("day", &day("lada", 2)).await;
    let moved = latest("lada", 2.0, "2024-05-01T12:00:01Z");
    let mut heard = between;
    if !heard.iter().any(|heard| heard.data == moved) {
        heard.extend(client.until("latest", &moved).await);
    }
    assert!(heard.iter().all(|heard| heard.data != day("lada", 1)), "{heard:?}");
}

#[tokio::test]
async fn a_listener_goes_on_from_its_last_id() {
    let api = Api::start().await;
    add(&api, "lada", NOON, 1.0, 1).await;
    let mut client = Client::listen(&api, "/api/live", None).await;
    let id = client.id().await;
    drop(client);
    add(&api, "niva", NOON, 5.0, 2).await;
    api.execute(
        "INSERT INTO author (name) VALUES ('anna');
         INSERT INTO entry (id, author_id, device, body)
             SELECT '018f3409-5800-7000-8000-000000000000', id, 'niva', 'here' FROM author",
    )
    .await;
    let mut client = Client::listen(&api, "/api/live", Some(&id)).await;
    let before = client.until("day", &day("niva", 2)).await;
    let names: Vec<&str> = before.iter().map(|heard| heard.name.as_str()).collect();
    assert_eq!(names[0], "hello", "{before:?}");
    // The day of lada was told before the id.
    assert!(names[1..].iter().all(|name| *name == "latest"), "{before:?}");
    let entry = client.next().await;
    assert_eq!(
        (entry.name.as_str(), &entry.data["device"]),
        ("journal", &json!("niva"))
    );
    // An id of this database on another timeline, one of another database, and none at all that this API could have
    // given.
    let [system, timeline, rest] = parts(&id);
    let recovered = format!("{system}-{}-{rest}", timeline.parse::<u64>().unwrap() + 1);
    for unknown in [&*recovered, "1-1-2-3:3:", "yesterday"] {
        let mut client = Client::listen(&api, "/api/live", Some(unknown)).await;
        client.until("day", &day("lada", 1)).await;
        client.until("day", &day("niva", 2)).await;
    }
    // An edit counts as well.
    let id = client.id().await;
    api.execute("UPDATE entry SET body = '', deleted = now()").await;
    let mut client = Client::listen(&api, "/api/live", Some(&id)).await;
    loop {
        let heard = client.next().await;
        if heard.name == "journal" && heard.data["deleted"] == json!(true) {
            break;
        }
    }
}

#[tokio::test]
async fn uploads_are_told_once_their_receipts_are_complete() {
    let api = Api::start().await;
    let upload = uuid::Uuid::now_v7();
    api.execute(
        "CREATE TABLE receipt_all (LIKE receipt INCLUDING ALL);
         ALTER TABLE receipt ATTACH PARTITION receipt_all DEFAULT",
    )
    .await;
    let mut client = Client::listen(&api, "/api/live", None).await;
    let receipt = |message: u8, persisted: i32, totals: &str| {
        format!(
            "INSERT INTO receipt (upload, message, persisted, duplicates, conflicts, failed, accepted, rejected)
             VALUES ('{upload}', '018f3409-5800-7000-8000-0000000000{message:02}', {persisted}, 1, 0, 0, {totals})"
        )
    };
    api.execute(&receipt(1, 3, "NULL, NULL")).await;
    add(&api, "lada", NOON, 1.0, 1).await;
    let before = client.until("day", &day("lada", 1)).await;
    assert!(before.iter().all(|heard| heard.name != "upload"), "{before:?}");
    api.execute(&receipt(2, 2, "7, 4")).await;
    let complete = json!({
        "id": upload, "status": "persisted", "accepted": 7, "rejected": 4,
        "persisted": 5, "duplicates": 2, "conflicts": 0, "failed": 0,
    });
    client.until("upload", &complete).await;
}

#[tokio::test]
async fn a_transaction_that_commits_late_is_not_missed() {
    let api = Api::start().await;
    let mut client = Client::listen(&api, "/api/live", None).await;
    // It has the smaller number, and commits when a position above that number was seen.
    let mut late = api.connect().await;
    let writing = late.transaction().await.unwrap();
    writing.batch_execute(&note("lada", 1)).await.unwrap();
    api.execute(&note("niva", 1)).await;
    client.until("day", &day("niva", 1)).await;
    let id = client.id().await;
    writing.commit().await.unwrap();
    client.until("day", &day("lada", 1)).await;
    // Nor by a listener that goes on from there.
    let mut client = Client::listen(&api, "/api/live", Some(&id)).await;
    client.until("day", &day("lada", 1)).await;
}

#[tokio::test]
async fn filters_select_devices_and_sensors() {
    let api = Api::start().await;
    add(&api, "lada", NOON, 1.0, 1).await;
    api.add(&[("lada", "fuel", NOON, 50.0)]).await;
    add(&api, "niva", NOON, 2.0, 1).await;
    let mut client = Client::listen(&api, "/api/live?device=niva&device=oka&sensor=speed", None).await;
    assert_eq!(client.next().await.name, "hello");
    assert_eq!(client.next().await.data, latest("niva", 2.0, NOON));
    add(&api, "lada", "2024-05-01T12:00:01Z", 9.0, 2).await;
    add(&api, "oka", NOON, 3.0, 1).await;
    let before = client.until("day", &day("oka", 1)).await;
    assert!(
        before.iter().all(|heard| heard.data["device"] == json!("oka")),
        "{before:?}"
    );
    for (path, status) in [("/api/live?devise=lada", 400), ("/api/live?sensor=1", 400)] {
        assert_eq!(api.response(path, &[]).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn listeners_beyond_the_limit_are_told_to_come_later() {
    let api = Api::start_with(Options {
        live: LiveOptions::within(1_000, 2),
        ..Options::default()
    })
    .await;
    let first = Client::listen(&api, "/api/live", None).await;
    let _second = Client::listen(&api, "/api/live", None).await;
    let refused = api.response("/api/live", &[]).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    drop(first);
    Client::listen(&api, "/api/live", None).await;
}

#[test]
fn listeners_leave_a_quarter_of_the_connections() {
    for (most, connections, expected) in [(1_000, 2_048, 1_000), (1_000, 1_000, 750), (10, 2, 2), (5, 4, 3)] {
        assert_eq!(
            LiveOptions::within(most, connections).most,
            expected,
            "{most} {connections}"
        );
    }
}

#[tokio::test]
async fn closed_reading_needs_a_key_that_reads() {
    let mut registry = prometheus_client::registry::Registry::default();
    let admission = Admission::load(&["secret".into()], None, true, &mut registry).unwrap();
    let api = Api::start_with(Options {
        admission,
        ..Options::default()
    })
    .await;
    for path in ["/api/live", "/api/status", "/api/trends?sensor=speed"] {
        for (headers, expected) in [
            (vec![], 401),
            (vec![("authorization", "Bearer other")], 401),
            (vec![("authorization", "Bearer secret")], 200),
            // :secret
            (vec![("authorization", "Basic OnNlY3JldA==")], 200),
        ] {
            let response = api.response(path, &headers).await;
            assert_eq!(response.status(), expected, "{path} {headers:?}");
            if expected == 401 {
                let schemes = response.headers()["www-authenticate"].to_str().unwrap();
                assert!(schemes.starts_with("Bearer, Basic realm="), "{schemes}");
            }
        }
    }
    // Health checks have no key.
    assert_eq!(api.response("/health", &[]).await.status(), StatusCode::OK);
    let open = Api::start_with(Options {
        admission: Admission::load(&[], None, true, &mut registry).unwrap(),
        ..Options::default()
    })
    .await;
    assert_eq!(open.response("/api/status", &[]).await.status(), StatusCode::OK);
}
