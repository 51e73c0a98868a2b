//! Readings over HTTP: what was uploaded comes out in pages and as lines, and goes into another Odograph.

use crate::source::{bodies, distinct};
use crate::system::System;
use jiff::Timestamp;
use serde_json::Value;

/// A reading of the default device: timestamp, sensor, value.
type Reading = (Timestamp, String, f64);

fn read(reading: &Value) -> Reading {
    assert_eq!(reading["device"], "default", "{reading}");
    let text = |name: &str| reading[name].as_str().unwrap();
    (
        text("timestamp").parse().unwrap(),
        text("sensor").to_owned(),
        reading["value"].as_f64().unwrap(),
    )
}

#[tokio::test]
async fn recordings_come_out_and_go_in_again() {
    let bodies = bodies().await;
    let expected = distinct(bodies.iter().map(|body| body.text.as_str()));
    let mut expected: Vec<Reading> = expected
        .into_iter()
        .map(|((sensor, timestamp), value)| (timestamp.parse().unwrap(), sensor, value))
        .collect();
    let count = i64::try_from(expected.len()).unwrap();
    let system = System::start(1).await;
    for body in &bodies {
        assert_eq!(system.post(body.text.clone()).await.0, 200, "{}", body.name);
    }
    system.wait_for_rows(count).await;

    expected.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    let mut paged: Vec<Reading> = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = system.get(&format!("readings?limit=10000{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        paged.extend(page["readings"].as_array().unwrap().iter().map(read));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    // Without the whole of both in the message.
    assert!(paged == expected, "{} and {} readings", paged.len(), expected.len());

    expected.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
    let url = format!("{}/readings", system.api_url);
    let lines = system
        .http
        .get(url)
        .header("accept", "application/x-ndjson")
        .send()
        .await;
    let lines = lines.unwrap().text().await.unwrap();
    let streamed: Vec<Reading> = lines
        .lines()
        .map(|line| read(&serde_json::from_str(line).unwrap()))
        .collect();
    assert!(
        streamed == expected,
        "{} and {} readings",
        streamed.len(),
        expected.len()
    );

    let other = System::start(1).await;
    assert_eq!(other.post(lines).await.0, 200);
    other.wait_for_rows(count).await;
    assert!(other.rows().await == system.rows().await);
}
