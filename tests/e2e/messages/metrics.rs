//! What the server measures.

use super::{calls, client, port, server};
use crate::system::LONG;
use serde_json::json;
use std::net::SocketAddr;
use testutil::poll;

async fn metrics(admin: SocketAddr) -> String {
    let answer = crate::system::client()
        .get(format!("http://{admin}/metrics"))
        .send()
        .await;
    answer.unwrap().text().await.unwrap()
}

/// The value of a metric with its labels.
fn value(metrics: &str, name: &str) -> f64 {
    let value: Option<f64> = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("there is no {name} in {metrics}"))
}

/// Puts, gets and what is stored are counted, and what is removed is not stored any more.
#[tokio::test]
async fn calls_and_what_is_stored_are_measured() {
    let database = testutil::database().await;
    // Looked at every eight seconds.
    let mut server = server(&database).args(["--retention", "10m"]).start().await;
    let (admin, port) = (server.address("admin").await, port(&mut server).await);
    let steps = json!([
        {"method": "PutBatch", "messages": 3}, {"method": "PutBatch", "id": "a", "text": "1"},
        {"method": "PutBatch", "id": "a", "text": "2"}, {"method": "GetBatch", "named": ["a"]},
        {"method": "GetBatch", "named": ["none"]}, {"method": "DeleteBatch", "named": ["none"]},
    ]);
    let answers = calls(port, steps).await;
    assert_eq!(answers[2]["status"], "ALREADY_EXISTS", "{answers:?}");
    let found = metrics(admin).await;
    for (name, expected) in [
        ("messages_call_seconds_count{call=\"put\"}", 3.0),
        ("messages_call_seconds_count{call=\"get\"}", 2.0),
        ("messages_call_seconds_count{call=\"delete\"}", 1.0),
        ("messages_call_failures_total{call=\"put\"}", 1.0),
        ("messages_acknowledged_total", 4.0),
    ] {
        assert!(
            (value(&found, name) - expected).abs() < 0.5,
            "{name} is not {expected}: {found}"
        );
    }
    for call in ["put", "get"] {
        let seconds = value(&found, &format!("messages_call_seconds_sum{{call=\"{call}\"}}"));
        assert!(seconds > 0.0 && seconds < 600.0, "{call}: {seconds}");
    }
    // PostgreSQL counts a moment later.
    let is = |found: &str, stored: f64, epochs: f64| {
        let near = |name, expected: f64| (value(found, name) - expected).abs() < 0.5;
        near("messages_stored", stored) && near("messages_epochs", epochs)
    };
    poll(LONG, async || is(&metrics(admin).await, 4.0, 1.0).then_some(())).await;
    assert!(value(&metrics(admin).await, "messages_bytes") > 0.0);

    // Its messages become too old, so that the next look closes their epoch, and another one removes it.
    let client = client(&database).await;
    client
        .execute("UPDATE epoch SET opened = opened - interval '1 hour'", &[])
        .await
        .unwrap();
    let old = "UPDATE epoch SET closed = closed - interval '1 hour' WHERE closed IS NOT NULL";
    poll(LONG, async || {
        (client.execute(old, &[]).await.unwrap() > 0).then_some(())
    })
    .await;
    poll(LONG, async || is(&metrics(admin).await, 0.0, 1.0).then_some(())).await;
}
