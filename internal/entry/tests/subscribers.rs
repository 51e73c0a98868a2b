//! What subscribers are told of entries that change, and how long it is kept.

use super::Setting;
use axum::http::Method;
use reading::time;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The data of all messages of an entry, and of what a notifier has queued of them.
async fn said(setting: &Setting, id: &str) -> Vec<Value> {
    let select = "SELECT data FROM published WHERE data->>'id' = $1
        UNION ALL SELECT data FROM delivery WHERE data->>'id' = $1
        UNION ALL SELECT data FROM gap WHERE data->>'id' = $1";
    let client = setting.pool.get().await.unwrap();
    let rows = client.query(select, &[&id]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The id of an event of a message, as a notifier makes it: a `UUIDv8` of its topic and id.
fn event_id(topic: &str, id: &str) -> Uuid {
    let digest: [u8; 32] = Sha256::digest([topic.as_bytes(), &[0], id.as_bytes()].concat()).into();
    uuid::Builder::from_custom_bytes(digest[..16].try_into().unwrap()).into_uuid()
}

/// Queues all messages of a topic for a subscription, as a notifier does, and notes them as not queued.
async fn queue(setting: &Setting, topic: &str) {
    let client = setting.pool.get().await.unwrap();
    store::make_day(&client, "delivery", time::now()).await.unwrap();
    let subscribe = "INSERT INTO subscription (topic, target_url) VALUES ($1, 'https://example.org')";
    client.execute(subscribe, &[&topic]).await.unwrap();
    let select = "SELECT id FROM published WHERE topic = $1 ORDER BY id";
    let rows = client.query(select, &[&topic]).await.unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let events: Vec<Uuid> = ids.iter().map(|id| event_id(topic, id)).collect();
    for insert in [
        "INSERT INTO delivery (subscription, seq, id, key, type, moment, data)
         SELECT subscription.id, number, event, key, 'odograph.message.v1', at, data
         FROM unnest($2::text[], $3::uuid[]) WITH ORDINALITY AS queued (message, event, number)
         JOIN published ON published.topic = $1 AND published.id = message, subscription WHERE subscription.topic = $1",
        "INSERT INTO gap (subscription, id, key, type, moment, data)
         SELECT subscription.id, event, key, 'odograph.message.v1', at, data
         FROM unnest($2::text[], $3::uuid[]) AS queued (message, event)
         JOIN published ON published.topic = $1 AND published.id = message, subscription WHERE subscription.topic = $1",
    ] {
        client.execute(insert, &[&topic, &ids, &events]).await.unwrap();
    }
}

/// A text that was taken back is in no message, whether a notifier has judged it or not.
#[tokio::test]
async fn a_text_that_was_taken_back_is_told_no_more() {
    let setting = Setting::start().await;
    let (_, other) = setting.post("bob", None, &json!({"text": "a secret of bob's"})).await;
    let body = json!({"text": "a secret #help", "device": "lada", "latitude": 45, "longitude": 14});
    let (_, id) = setting.post("anna", None, &body).await;
    queue(&setting, "odograph.journal").await;
    let numbers = "SELECT xid::text, id, key FROM published WHERE data->>'event' = 'created' ORDER BY xid";
    let before = setting.pool.get().await.unwrap().query(numbers, &[]).await.unwrap();

    let edit = json!({"text": "all is well #cres"});
    assert_eq!(setting.change(Method::PATCH, "anna", &id, None, &edit).await.0, 200);
    let all = said(&setting, &id).await;
    let mut events: Vec<&str> = all.iter().map(|data| data["event"].as_str().unwrap()).collect();
    events.sort_unstable();
    assert_eq!(events, ["created", "created", "created", "edited"], "{all:?}");
    for data in &all {
        assert_eq!(
            (&data["text"], &data["hashtags"], &data["device"], &data["user"]),
            (
                &json!("all is well #cres"),
                &json!(["cres"]),
                &json!("lada"),
                &json!("anna")
            )
        );
    }

    assert_eq!(
        setting.change(Method::DELETE, "anna", &id, None, &json!({})).await.0,
        204
    );
    let all = said(&setting, &id).await;
    assert_eq!(all.len(), 5, "{all:?}");
    for data in &all {
        let mut names: Vec<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["event", "id", "timestamp", "user"], "{data}");
    }
    // A notifier finds new messages by their transactions, and tells them apart by their ids.
    let after = setting.pool.get().await.unwrap().query(numbers, &[]).await.unwrap();
    let of = |rows: &[tokio_postgres::Row]| -> Vec<(String, String, Option<String>)> {
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    };
    assert_eq!(of(&before), of(&after));
    let others = said(&setting, &other).await;
    assert!(
        others.iter().all(|data| data["text"] == "a secret of bob's"),
        "{others:?}"
    );
    assert_eq!(others.len(), 3);
}

/// What was queued before is known by itself: the subscription may have another topic since then.
#[tokio::test]
async fn a_subscription_of_another_topic_by_now_is_told_no_more() {
    let setting = Setting::start().await;
    let (_, id) = setting.post("anna", None, &json!({"text": "a secret"})).await;
    let edit = json!({"text": "another secret"});
    assert_eq!(setting.change(Method::PATCH, "anna", &id, None, &edit).await.0, 200);
    queue(&setting, "odograph.journal").await;
    let client = setting.pool.get().await.unwrap();
    let change = "UPDATE subscription SET topic = 'trips'";
    assert_eq!(client.execute(change, &[]).await.unwrap(), 1);
    assert_eq!(
        setting.change(Method::DELETE, "anna", &id, None, &json!({})).await.0,
        204
    );
    let all = said(&setting, &id).await;
    assert_eq!(all.len(), 7, "{all:?}");
    assert!(all.iter().all(|data| data.get("text").is_none()), "{all:?}");
}

/// What was published under another topic is not the journal's to change.
#[tokio::test]
async fn messages_of_others_stay() {
    let setting = Setting::start().await;
    let (_, id) = setting.post("anna", None, &json!({"text": "a"})).await;
    let client = setting.pool.get().await.unwrap();
    let publish = "INSERT INTO published (topic, id, data) VALUES ('mine', $1, $2)";
    let data = json!({"event": "created", "id": id, "text": "mine"});
    client
        .execute(publish, &[&format!("{id}-created"), &data])
        .await
        .unwrap();
    queue(&setting, "mine").await;
    assert_eq!(
        setting.change(Method::DELETE, "anna", &id, None, &json!({})).await.0,
        204
    );
    let count = "SELECT (SELECT count(*) FROM published WHERE topic = 'mine' AND data->>'text' = 'mine')
        + (SELECT count(*) FROM delivery WHERE data->>'text' = 'mine') + (SELECT count(*) FROM gap WHERE data->>'text' = 'mine')";
    let count: i64 = client.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(count, 3);
}

/// Without a notifier, the journal drops what is past its time; a notifier that works does so itself. Others may want theirs
/// for longer.
#[tokio::test]
async fn old_messages_are_dropped_where_no_notifier_works() {
    let setting = Setting::start().await;
    let now = time::now();
    let days = async || -> i64 {
        let client = setting.pool.get().await.unwrap();
        let count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'published'::regclass";
        client.query_one(count, &[]).await.unwrap().get(0)
    };
    let store = crate::store::Store::new(setting.pool.clone());
    {
        let client = setting.pool.get().await.unwrap();
        for ago in [0, 10, 40, 41] {
            store::make_day(&client, "published", now - ago * time::DAY)
                .await
                .unwrap();
        }
        let lease = "UPDATE evaluator SET until = now() - interval '1 hour'";
        client.execute(lease, &[]).await.unwrap();
    }
    store.drop_told(now - 30 * time::DAY).await.unwrap();
    assert_eq!(days().await, 4);
    {
        let client = setting.pool.get().await.unwrap();
        let lease = "UPDATE evaluator SET until = now() - interval '2 days'";
        client.execute(lease, &[]).await.unwrap();
        let publish = "INSERT INTO published (topic, id, data, at) SELECT topic, '1', '{}', now() - interval '40 days'
            FROM unnest(ARRAY['odograph.journal', 'trips']) AS topic";
        client.execute(publish, &[]).await.unwrap();
    }
    store.drop_told(now - 30 * time::DAY).await.unwrap();
    assert_eq!(days().await, 3);
    {
        let client = setting.pool.get().await.unwrap();
        let delete = "DELETE FROM published WHERE topic = 'trips'";
        client.execute(delete, &[]).await.unwrap();
    }
    store.drop_told(now - 30 * time::DAY).await.unwrap();
    assert_eq!(days().await, 2);
}
