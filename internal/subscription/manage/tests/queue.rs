//! What became of deliveries: attempts, dead ones, redrives, replays, pausing, secrets.

use super::Api;
use serde_json::{Value, json};
use uuid::Uuid;

/// The subscription "hot" with four deliveries: delivered, dead, to be tried again, waiting.
async fn queued() -> (Api, Uuid) {
    let api = Api::start().await;
    let id: Uuid = api.hot().await["id"].as_str().unwrap().parse().unwrap();
    let client = api.pool.get().await.unwrap();
    let now = reading::time::now();
    for table in ["delivery", "attempt"] {
        for days in [-1, 0, 1] {
            store::make_day(&client, table, now + days * reading::time::DAY)
                .await
                .unwrap();
        }
    }
    api.execute(&format!(
        "UPDATE evaluator SET number = 7;
         INSERT INTO delivery (subscription, seq, id, key, type, moment, data)
         SELECT '{id}', seq, ('00000000-0000-8000-8000-00000000000' || seq)::uuid, 'lada', 'odograph.reading.rise.v1',
             '2026-01-01Z', '{{}}' FROM generate_series(1, 4) seq;
         INSERT INTO attempt (subscription, seq, number, try, at, ms, status, error, body, outcome, due) VALUES
             ('{id}', 1, 5, 1, now() - interval '3 min', 40, 200, NULL, 'ok', 'delivered', NULL),
             ('{id}', 2, 5, 1, now() - interval '2 min', 41, 500, NULL, NULL, 'retry', '2026-01-01Z'),
             ('{id}', 2, 6, 2, now() - interval '1 min', 15000, NULL, 'no answer in time', NULL, 'dead', NULL),
             ('{id}', 3, 6, 1, now() - interval '30 s', 43, 503, NULL, NULL, 'retry', '2026-01-01Z')"
    ))
    .await;
    (api, id)
}

fn delivery(seq: u8) -> String {
    format!("00000000-0000-8000-8000-00000000000{seq}")
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_is_seen_in_the_list() {
    let (api, id) = queued().await;
    let listed = api.ok(200, "GET", "/api/subscriptions", Value::Null).await["subscriptions"][0].clone();
    assert_eq!((&listed["state"], &listed["pending"]), (&json!("failing"), &json!(2)));
    assert_eq!(listed["lastAttempt"]["status"], 503);
    assert_eq!(listed["lastAttempt"]["outcome"], "retry");
    api.execute(&format!(
        "INSERT INTO progress (subscription, lane, number, upto) VALUES ('{id}', 0, 6, 2)"
    ))
    .await;
    let shown = api.ok(200, "GET", "/api/subscriptions/hot", Value::Null).await;
    assert_eq!(shown["pending"], 2);
}

#[tokio::test]
async fn attempts_are_listed_newest_first() {
    let (api, _) = queued().await;
    let answer = api.ok(200, "GET", "/api/subscriptions/hot/attempts", Value::Null).await;
    let attempts = answer["attempts"].as_array().unwrap();
    let seen: Vec<_> = attempts
        .iter()
        .map(|it| (it["id"].as_str().unwrap(), it["try"].as_i64().unwrap()))
        .collect();
    let ids = [delivery(3), delivery(2), delivery(2), delivery(1)];
    assert_eq!(seen, [(&*ids[0], 1), (&*ids[1], 2), (&*ids[2], 1), (&*ids[3], 1)]);
    let mut dead = attempts[1].clone();
    assert!(dead["at"].take().is_string());
    assert_eq!(
        dead,
        json!({"id": ids[1], "type": "odograph.reading.rise.v1", "key": "lada", "moment": "2026-01-01T00:00:00Z",
            "try": 2, "at": null, "ms": 15000, "error": "no answer in time", "outcome": "dead"})
    );
    let answer = api
        .ok(200, "GET", "/api/subscriptions/hot/attempts?limit=1", Value::Null)
        .await;
    assert_eq!(answer["attempts"].as_array().unwrap().len(), 1);
    api.ok(404, "GET", "/api/subscriptions/cold/attempts", Value::Null)
        .await;
}

#[tokio::test]
async fn the_dead_are_redriven_once() {
    let (api, id) = queued().await;
    let dead = api.ok(200, "GET", "/api/subscriptions/hot/dead", Value::Null).await;
    assert_eq!(dead["dead"].as_array().unwrap().len(), 1);
    assert_eq!(dead["dead"][0]["id"], delivery(2));
    let ids = json!({"ids": [delivery(2), delivery(3)]});
    let redriven = api.ok(200, "POST", "/api/subscriptions/hot/redrive", ids).await;
    assert_eq!(
        redriven,
        json!({"redriven": 1, "more": false, "unknown": [delivery(3)]})
    );
    let client = api.pool.get().await.unwrap();
    let row = "SELECT seq, number, try, due <= now() FROM attempt WHERE outcome = 'redrive'";
    let row = client.query_one(row, &[]).await.unwrap();
    assert_eq!(
        (row.get(0), row.get(1), row.get(2), row.get(3)),
        (2_i64, 7_i64, 2_i32, true)
    );
    let none = api.ok(200, "GET", "/api/subscriptions/hot/dead", Value::Null).await;
    assert_eq!(none, json!({"dead": []}));
    let again = api
        .ok(200, "POST", "/api/subscriptions/hot/redrive", json!({"all": true}))
        .await;
    assert_eq!(again, json!({"redriven": 0, "more": false}));
    // It may die again, and be redriven again.
    api.execute(&format!(
        "INSERT INTO attempt (subscription, seq, number, try, ms, status, outcome) VALUES ('{id}', 2, 8, 3, 1, 500, 'dead')"
    ))
    .await;
    let again = api
        .ok(200, "POST", "/api/subscriptions/hot/redrive", json!({"all": true}))
        .await;
    assert_eq!(again["redriven"], 1);
    // What waits for its next try is tried now.
    api.execute("UPDATE attempt SET due = now() + interval '5 h' WHERE outcome = 'retry'")
        .await;
    let waiting = api
        .ok(
            200,
            "POST",
            "/api/subscriptions/hot/redrive",
            json!({"ids": [delivery(1), delivery(3)]}),
        )
        .await;
    assert_eq!(waiting, json!({"redriven": 1, "more": false, "unknown": [delivery(1)]}));
}

/// Also one whose last try is of a sender with a clock that is ahead.
#[tokio::test]
async fn the_dead_of_a_clock_that_is_ahead_are_redriven_once() {
    let (api, id) = queued().await;
    api.execute(&format!(
        "INSERT INTO attempt (subscription, seq, number, try, at, ms, status, outcome)
         VALUES ('{id}', 2, 7, 3, now() + interval '1 h', 1, 500, 'dead')"
    ))
    .await;
    for redriven in [1, 0] {
        let answer = api
            .ok(200, "POST", "/api/subscriptions/hot/redrive", json!({"all": true}))
            .await;
        assert_eq!(answer, json!({"redriven": redriven, "more": false}));
    }
}

#[tokio::test]
async fn a_replay_is_noted() {
    let (api, _) = queued().await;
    let body = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "mode": "all"});
    let replay = api.ok(202, "POST", "/api/subscriptions/hot/replays", body).await;
    assert_eq!(
        (&replay["mode"], &replay["state"], &replay["queued"]),
        (&json!("all"), &json!("waiting"), &json!(0))
    );
    let body = json!({"from": "2026-01-01T00:00:00Z"});
    assert_eq!(
        api.ok(202, "POST", "/api/subscriptions/hot/replays", body).await["mode"],
        "missed"
    );
    let listed = api.ok(200, "GET", "/api/subscriptions/hot/replays", Value::Null).await;
    assert_eq!(listed["replays"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_missed_is_sent_or_dropped() {
    let (api, _) = queued().await;
    assert_eq!(
        api.ok(200, "POST", "/api/subscriptions/hot/pause", Value::Null).await["state"],
        "paused"
    );
    let resumed = api.ok(200, "POST", "/api/subscriptions/hot/resume", Value::Null).await;
    assert_eq!((&resumed["dropped"], &resumed["pending"]), (&json!(0), &json!(2)));
    assert_eq!(api.count("progress").await, 0);
    api.ok(200, "POST", "/api/subscriptions/hot/pause", json!({})).await;
    let resumed = api
        .ok(200, "POST", "/api/subscriptions/hot/resume", json!({"missed": "drop"}))
        .await;
    assert_eq!(
        (&resumed["dropped"], &resumed["pending"], &resumed["enabled"]),
        (&json!(4), &json!(0), &json!(true))
    );
    // One row for each lane, which never goes back.
    assert_eq!(
        api.count("progress WHERE lane = 0 AND upto = 4 AND number = 7").await,
        1
    );
    api.execute("UPDATE progress SET upto = 9, number = 8; UPDATE subscription SET enabled = false, problem = 'x'")
        .await;
    let resumed = api
        .ok(200, "POST", "/api/subscriptions/hot/resume", json!({"missed": "drop"}))
        .await;
    assert_eq!((&resumed["dropped"], &resumed["problem"]), (&json!(0), &Value::Null));
    assert_eq!(api.count("progress WHERE upto = 9 AND number = 8").await, 1);
    for act in ["pause", "resume"] {
        api.ok(404, "POST", &format!("/api/subscriptions/cold/{act}"), Value::Null)
            .await;
    }
}

#[tokio::test]
async fn secrets_are_made_and_rotated() {
    let (api, _) = queued().await;
    let first = api.ok(200, "GET", "/api/subscriptions/hot/secret", Value::Null).await;
    assert!(first["secret"].as_str().unwrap().starts_with("whsec_"), "{first}");
    assert_eq!(first["previousUntil"], Value::Null);
    let rotated = api
        .ok(200, "POST", "/api/subscriptions/hot/rotate", json!({"overlap": "2h"}))
        .await;
    assert_ne!(rotated["secret"], first["secret"]);
    let until: jiff::Timestamp = rotated["previousUntil"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((7100..=7200).contains(&left), "{left}");
    assert_eq!(
        api.ok(200, "GET", "/api/subscriptions/hot/secret", Value::Null).await,
        rotated
    );
    let at_once = api
        .ok(200, "POST", "/api/subscriptions/hot/rotate", json!({"overlap": "0s"}))
        .await;
    assert_eq!(at_once["previousUntil"], Value::Null);
    api.ok(404, "GET", "/api/subscriptions/cold/secret", Value::Null).await;
}
