//! Queues that are full.

use super::*;

impl Setting {
    async fn number(&self, select: &str, id: Uuid) -> i64 {
        self.client.query_one(select, &[&id]).await.unwrap().get(0)
    }
}

const GAPS: &str = "SELECT gaps FROM subscription WHERE id = $1";

/// Events that a full queue does not take are kept, counted, and queued by a replay, each once and with its own id.
#[tokio::test]
async fn what_was_not_queued_is_filled_by_a_replay() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter, fire", "'speed > 120', 'each'").await;
    setting.evaluator.room.limit(2);
    let readings: Vec<Reading> = (0..5).map(|second| ("lada", "speed", second, 130.0)).collect();
    setting.store(&readings).await;
    setting.settle().await;
    assert_eq!(setting.noticed(id).await.len(), 2);
    assert_eq!(setting.number(GAPS, id).await, 3);
    // An edit of the rule changes the ids of later events alone.
    let ids = "SELECT array_agg(id ORDER BY moment) FROM gap WHERE subscription = $1";
    let ids: Vec<Uuid> = setting.client.query_one(ids, &[&id]).await.unwrap().get(0);
    let edit = "UPDATE subscription SET filter = 'speed > 121' WHERE id = $1";
    setting.client.execute(edit, &[&id]).await.unwrap();
    let insert =
        "INSERT INTO replay (subscription, since, until, mode) VALUES ($1, '2024-01-01', '2025-01-01', 'missed')";
    for _ in 0..2 {
        setting.client.execute(insert, &[&id]).await.unwrap();
        setting.evaluator.looked = None;
        setting.settle().await;
        let expected: Vec<Noticed> = (0..5).map(|second| event("each", "lada", second)).collect();
        let mut noticed = setting.noticed(id).await;
        noticed.sort_by_key(|(_, _, second)| *second);
        assert_eq!(noticed, expected);
        assert_eq!(setting.number(GAPS, id).await, 0);
    }
    let filled = "SELECT array_agg(id ORDER BY moment), array_agg(data->'values'->>'speed') FROM delivery
        WHERE subscription = $1 AND lane = 1";
    let filled = setting.client.query_one(filled, &[&id]).await.unwrap();
    assert_eq!(filled.get::<_, Vec<Uuid>>(0), ids);
    assert_eq!(filled.get::<_, Vec<String>>(1), ["130.0", "130.0", "130.0"]);
}

/// Messages, too.
#[tokio::test]
async fn messages_that_were_not_queued_are_filled_by_a_replay() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("topic", "'trips'").await;
    setting.evaluator.room.limit(1);
    store::make_day(&setting.client, "published", time::now())
        .await
        .unwrap();
    let publish = "INSERT INTO published (topic, id, key, data)
        SELECT 'trips', n::text, 'lada', json_build_object('n', n) FROM generate_series(1, 3) AS n";
    setting.client.execute(publish, &[]).await.unwrap();
    setting.settle().await;
    assert_eq!(setting.number(GAPS, id).await, 2);
    let insert = "INSERT INTO replay (subscription, since, until, mode)
        VALUES ($1, now() - interval '1 h', now() + interval '1 h', 'missed')";
    setting.client.execute(insert, &[&id]).await.unwrap();
    setting.evaluator.looked = None;
    setting.settle().await;
    let count = "SELECT count(DISTINCT data) FROM delivery WHERE subscription = $1";
    assert_eq!(setting.number(count, id).await, 3);
    assert_eq!(setting.number(GAPS, id).await, 0);
}

/// Behind a delivery that waits, others end: they take no room.
#[tokio::test]
async fn what_has_ended_takes_no_room() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter, fire", "'speed > 120', 'each'").await;
    setting.evaluator.room.limit(3);
    let readings: Vec<Reading> = (0..3).map(|second| ("lada", "speed", second, 130.0)).collect();
    setting.store(&readings).await;
    setting.settle().await;
    store::make_day(&setting.client, "attempt", time::now()).await.unwrap();
    let ended = "INSERT INTO attempt (subscription, seq, number, try, ms, outcome)
        SELECT $1, seq, 1, 1, 1, 'delivered' FROM generate_series(2, 3) AS seq";
    setting.client.execute(ended, &[&id]).await.unwrap();
    setting.evaluator.looked = None;
    setting.settle().await;
    setting
        .store(&[("lada", "speed", 10, 130.0), ("lada", "speed", 11, 130.0)])
        .await;
    setting.settle().await;
    assert_eq!(setting.number(GAPS, id).await, 0);
    assert_eq!(setting.noticed(id).await.len(), 5);
}
