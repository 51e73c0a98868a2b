//! Subscriptions, from an upload to an endpoint.

mod clients;
mod endpoint;
mod recordings;

use crate::system::{LONG, System};
pub(crate) use endpoint::Endpoint;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testutil::{Process, Program, poll};

const KEY: &str = "a-management-key";
const SIGNING_KEY: &str = "a signing key that is long enough for all";
const JWT_SECRET: &str = "a secret of publishers that is long enough, 64 bytes at the least";

/// A notifier with no more rights than it needs.
pub(crate) async fn notifier(system: &System) -> Process {
    Program::new("notifier")
        .env("DATABASE_URL", system.database.url_as("odograph_notifier"))
        .env("MANAGEMENT_KEY", KEY)
        .env("SIGNING_KEY", SIGNING_KEY)
        .env("JWT_SECRET", JWT_SECRET)
        .args(["--migrate", "false", "--allow-target", "127.0.0.1"])
        .start()
        .await
}

/// Creates a subscription, and waits until it is in force.
pub(crate) async fn subscribe(system: &System, notifier: &mut Process, definition: Value) {
    let url = format!("{}/api/subscriptions", notifier.url().await);
    let created = poll(LONG, async || {
        let request = system.http.post(&url).bearer_auth(KEY).body(definition.to_string());
        let response = request.send().await.ok()?;
        (response.status() != StatusCode::SERVICE_UNAVAILABLE).then_some(response)
    });
    let created = created.await;
    let (status, answer) = (created.status(), created.text().await.unwrap());
    assert!(
        status == StatusCode::CREATED || status == StatusCode::ACCEPTED,
        "{status} {answer}"
    );
    let name = definition["name"].as_str().unwrap();
    poll(LONG, async || {
        let shown = system
            .http
            .get(format!("{url}/{name}"))
            .bearer_auth(KEY)
            .send()
            .await
            .ok()?;
        let shown: Value = shown.json().await.ok()?;
        (shown["state"] == "active").then_some(())
    })
    .await;
}

/// The line of a speed, so many seconds after a time.
fn speed(second: u32, value: u32) -> String {
    let time = format!("2024-05-01T10:{:02}:{:02}Z", second / 60, second % 60);
    format!("{{\"device\":\"lada\",\"sensor\":\"speed\",\"value\":{value},\"timestamp\":\"{time}\"}}\n")
}

/// Notifiers and persistors are killed while readings come. Every event reaches the endpoint, under one id.
#[tokio::test]
async fn every_event_reaches_its_endpoint_whatever_is_killed() {
    let mut system = System::start(2).await;
    let mut first = notifier(&system).await;
    let endpoint = Endpoint::start(|number| number % 3 != 1).await;
    let definition = json!({
        "name": "fast", "filter": "speed > 120", "fire": "both", "targetUrl": endpoint.url,
        "retries": ["0s", "100ms", "100ms", "100ms", "100ms", "1s", "1s", "1s"],
    });
    subscribe(&system, &mut first, definition).await;
    let mut second = notifier(&system).await;
    for round in 0..40 {
        let value = if round % 2 == 0 { 130 } else { 100 };
        assert_eq!(system.post(speed(round, value)).await.0, 200);
        match round {
            10 => first.kill9().await,
            20 => {
                system.persistors[0].kill9().await;
                system.persistors[0] = system.persistor().start().await;
            }
            25 => first = notifier(&system).await,
            30 => second.kill9().await,
            _ => {}
        }
    }
    system.wait_for_rows(40).await;
    // The first moment is a rise; each reading is another run. Some may come before the one that they follow.
    poll(LONG, async || (endpoint.taken().len() >= 40).then_some(())).await;
    let taken = endpoint.taken();
    let ids: BTreeSet<&str> = taken.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids.len(), 40, "{taken:#?}");
    let mut moments = BTreeSet::new();
    for one in &taken {
        let kind = one.body["type"].as_str().unwrap();
        moments.insert((one.body["timestamp"].as_str().unwrap().to_owned(), kind.to_owned()));
    }
    let expected: BTreeSet<(String, String)> = (0..40)
        .map(|second| {
            let kind = if second % 2 == 0 { "rise" } else { "fall" };
            (
                format!("2024-05-01T10:00:{second:02}Z"),
                format!("odograph.reading.{kind}.v1"),
            )
        })
        .collect();
    assert_eq!(moments, expected);
    drop(first);
}

/// A row that a user inserts by SQL is a subscription like any other.
#[tokio::test]
async fn a_row_is_enough() {
    let system = System::start(1).await;
    let endpoint = Endpoint::start(|_| true).await;
    let _notifier = notifier(&system).await;
    let sql = crate::system::connect(&system.database.url()).await;
    let insert = "INSERT INTO subscription (topic, filter, target_url) VALUES ('odograph.readings', 'speed > 120', $1)";
    sql.execute(insert, &[&endpoint.url]).await.unwrap();
    poll(LONG, async || {
        let found = sql
            .query_opt("SELECT FROM subscription WHERE in_force = rule", &[])
            .await
            .ok()?;
        found.map(|_| ())
    })
    .await;
    assert_eq!(system.post(speed(0, 130)).await.0, 200);
    poll(LONG, async || (endpoint.taken().len() == 1).then_some(())).await;
    let bad = "INSERT INTO subscription (name, filter, target_url) VALUES ('bad', 'speed >> 1', 'https://example.org')";
    sql.execute(bad, &[]).await.unwrap();
    let problem = poll(LONG, async || {
        let row = sql
            .query_one("SELECT problem FROM subscription WHERE name = 'bad'", &[])
            .await
            .ok()?;
        row.get::<_, Option<String>>(0)
    })
    .await;
    assert!(problem.contains("line 1, column 8"), "{problem}");
}
