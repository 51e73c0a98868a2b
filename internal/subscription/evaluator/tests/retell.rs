//! Texts of the journal that were taken back while the evaluator was committing them.

use super::*;
use serde_json::{Value, json};

const ULID: &str = "01KB2Q8V5W0000000000000000";

fn data(event: &str, text: Option<&str>) -> Value {
    let mut data = json!({"event": event, "id": ULID, "user": "anna"});
    if let (Some(text), Some(data)) = (text, data.as_object_mut()) {
        data.insert("text".to_owned(), json!(text));
    }
    data
}

impl Setting {
    async fn publish(&self, event: &str, data: &Value) {
        store::make_day(&self.client, "published", time::now()).await.unwrap();
        let publish = "INSERT INTO published (topic, id, key, data) VALUES ('odograph.journal', $1, 'lada', $2)";
        let id = format!("{ULID}-{event}");
        self.client.execute(publish, &[&id, data]).await.unwrap();
    }

    /// Deletes the entry as the journal does, where it cannot see what was queued of it.
    async fn delete(&self) {
        let deleted = data("deleted", None);
        let retell = "UPDATE published SET data = $1::jsonb || jsonb_build_object('event', data -> 'event')";
        self.client.execute(retell, &[&deleted]).await.unwrap();
        self.publish("deleted", &deleted).await;
    }

    async fn queued(&self) -> Vec<Value> {
        let select = "SELECT data FROM delivery UNION ALL SELECT data FROM gap";
        let rows = self.client.query(select, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// The journal could not see a delivery that was committed after its statement. By now, no rule has the topic.
#[tokio::test]
async fn what_the_journal_could_not_see_is_retold() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("topic", "'odograph.journal'").await;
    setting.evaluator.room.limit(1);
    setting.publish("created", &data("created", Some("a secret"))).await;
    setting
        .publish("edited-1764000000000", &data("edited", Some("a secret")))
        .await;
    setting.settle().await;
    assert!(setting.queued().await.iter().all(|data| data["text"] == "a secret"));
    assert_eq!(setting.queued().await.len(), 2);
    let known = "SELECT count(*) FROM delivery WHERE subscription = $1";
    let known: i64 = setting.client.query_one(known, &[&id]).await.unwrap().get(0);
    assert_eq!(known, 1, "the other one is a gap");
    let change = "UPDATE subscription SET enabled = false, topic = 'trips'";
    setting.client.execute(change, &[]).await.unwrap();
    let in_force = "SELECT FROM subscription WHERE id = $1 AND in_force = rule";
    while setting.client.query_opt(in_force, &[&id]).await.unwrap().is_none() {
        setting.settle().await;
    }
    setting.delete().await;
    setting.settle().await;
    let queued = setting.queued().await;
    assert!(
        queued.len() == 2 && queued.iter().all(|data| data.get("text").is_none()),
        "{queued:?}"
    );
}

/// A change of what a replay takes at that moment makes the evaluator look again, and forget nothing.
#[tokio::test]
async fn a_replay_of_what_changes_is_tried_again() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("topic", "'odograph.journal'").await;
    setting.evaluator.room.limit(1);
    setting.publish("created", &data("created", Some("a secret"))).await;
    setting
        .publish("edited-1764000000000", &data("edited", Some("a secret")))
        .await;
    setting.settle().await;
    let insert = "INSERT INTO replay (subscription, since, until, mode)
        VALUES ($1, now() - interval '1 h', now() + interval '1 h', 'missed')";
    setting.client.execute(insert, &[&id]).await.unwrap();
    setting.evaluator.looked = None;
    let mut other = setting.evaluator.pool.get().await.unwrap();
    let watching = setting.evaluator.pool.get().await.unwrap();
    let change = other.transaction().await.unwrap();
    let retell = "UPDATE gap SET data = $1::jsonb || jsonb_build_object('event', data -> 'event')";
    assert_eq!(change.execute(retell, &[&data("deleted", None)]).await.unwrap(), 1);
    let number = setting.term.number;
    let changing = async {
        let waits = "SELECT FROM pg_locks WHERE NOT granted
            AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database()) LIMIT 1";
        testutil::poll(Duration::from_secs(60), async || {
            watching.query_opt(waits, &[]).await.unwrap()
        })
        .await;
        change.commit().await.unwrap();
    };
    tokio::join!(setting.settle(), changing);
    assert!(setting.term.number > number);
    let replayed = "SELECT data FROM delivery WHERE lane = 1";
    let replayed: Value = setting.client.query_one(replayed, &[]).await.unwrap().get(0);
    assert!(replayed.get("text").is_none(), "{replayed}");
}
