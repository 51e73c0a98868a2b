mod model;
mod shared;
mod together;

use super::*;
use crate::message::{Message, Rules};
use crate::proto::pb::CloudEvent;
use crate::proto::pb::cloud_event::Data;
use bytes::Bytes;
use futures_util::future::join_all;
use prost::Message as _;
use std::sync::Arc;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// A store over a database of its own.
struct Setting {
    store: Store,
    database: testutil::Database,
}

impl Setting {
    async fn start() -> Self {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 4, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        Self {
            store: Store::new(pool, WEEK),
            database,
        }
    }

    /// Another server over the same database.
    fn another(&self, retention: Duration) -> Store {
        let pool = ::postgres::open(&self.database.url(), 4, Duration::from_secs(30)).unwrap();
        Store::new(pool, retention)
    }

    async fn execute(&self, statement: &str) -> u64 {
        let client = self.store.pool.get().await.unwrap();
        client.execute(statement, &[]).await.unwrap()
    }

    /// Lets everything become older by this, as if the clock had gone on.
    async fn pass(&self, interval: &str) {
        let earlier = format!("- interval '{interval}'");
        self.execute(&format!("UPDATE message SET received = received {earlier}"))
            .await;
        self.execute(&format!(
            "UPDATE epoch SET opened = opened {earlier}, closed = closed {earlier}"
        ))
        .await;
    }

    async fn epochs(&self) -> Vec<i32> {
        let client = self.store.pool.get().await.unwrap();
        let rows = client.query("SELECT number FROM epoch ORDER BY number", &[]).await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

fn event(id: &str, source: &str, text: &str) -> Message {
    let event = CloudEvent {
        id: id.to_owned(),
        source: source.to_owned(),
        data: Some(Data::TextData(text.to_owned())),
        ..CloudEvent::default()
    };
    let rules = Rules {
        most_bytes: usize::MAX,
        strict: false,
    };
    Message::of(event.encode_to_vec().into(), rules).unwrap()
}

/// Puts messages (id, source, text) as one batch.
async fn put(store: &Store, messages: &[(&str, &str, &str)]) -> Verdict {
    let messages = messages.iter().map(|(id, source, text)| event(id, source, text));
    let puts = [Arc::new(messages.collect())];
    store.put(&puts).await.unwrap().remove(0)
}

/// Gets the texts of these ids.
async fn get(store: &Store, ids: &[&str]) -> Vec<String> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    match store.get(&ids, usize::MAX).await.unwrap() {
        Answer::Found(events) => events.iter().map(|event| text(event)).collect(),
        Answer::TooLarge => panic!("nothing is too large"),
    }
}

fn text(event: &[u8]) -> String {
    match CloudEvent::decode(event).unwrap().data {
        Some(Data::TextData(text)) => text,
        other => panic!("{other:?}"),
    }
}

async fn delete(store: &Store, ids: &[&str]) {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    store.delete(&ids).await.unwrap();
}

#[tokio::test]
async fn what_was_put_is_there_and_the_same_again_is_harmless() {
    let setting = Setting::start().await;
    let store = &setting.store;
    let batch = [("a", "x", "1"), ("b", "x", "2"), ("a", "y", "3"), ("a", "x", "1")];
    for _ in 0..2 {
        assert_eq!(put(store, &batch).await, Ok(()));
    }
    assert_eq!(get(store, &["b", "none", "a", "b", "a\0"]).await, ["2", "1", "3"]);
    assert!(get(store, &[]).await.is_empty());
    // All or nothing.
    let other = put(
        store,
        &[
            ("c", "x", "4"),
            ("a", "x", "other"),
            ("b", "x", "2"),
            ("a", "y", "other"),
        ],
    )
    .await;
    assert_eq!(other, Err(vec![Conflict(1), Conflict(3)]));
    assert_eq!(get(store, &["a", "b", "c"]).await, ["1", "3", "2"]);
    delete(store, &["a", "none"]).await;
    assert_eq!(get(store, &["a", "b"]).await, ["2"]);
    assert_eq!(put(store, &[("a", "x", "new")]).await, Ok(()));
    assert_eq!(get(store, &["a"]).await, ["new"]);
}

#[tokio::test]
async fn bytes_come_out_as_they_went_in() {
    let setting = Setting::start().await;
    let mut bytes = event("a", "x", "1").event.to_vec();
    // A field that this version does not know, and a default that another encoder writes.
    bytes.extend([0xa2, 0x06, 3, b'n', b'e', b'w', 0x1a, 0]);
    let rules = Rules {
        most_bytes: 1000,
        strict: false,
    };
    let message = Message::of(bytes.clone().into(), rules).unwrap();
    setting.store.put(&[Arc::new(vec![message])]).await.unwrap();
    let found = setting.store.get(&["a".to_owned()], 0).await.unwrap();
    assert_eq!(found, Answer::Found(vec![Bytes::from(bytes)]));
}

#[tokio::test]
async fn an_answer_has_its_length_but_a_single_id_is_always_answered() {
    let setting = Setting::start().await;
    let long = "l".repeat(3000);
    put(
        &setting.store,
        &[("a", "x", &long), ("a", "y", &long), ("b", "x", "short")],
    )
    .await
    .unwrap();
    let get = async |ids: &[&str], most| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        setting.store.get(&ids, most).await.unwrap()
    };
    assert_eq!(get(&["a", "b"], 6000).await, Answer::TooLarge);
    assert!(matches!(get(&["a", "b"], 7000).await, Answer::Found(found) if found.len() == 3));
    assert!(matches!(get(&["a", "a"], 6000).await, Answer::Found(found) if found.len() == 2));
    // The connection is as before.
    assert!(matches!(get(&["b"], 0).await, Answer::Found(found) if found.len() == 1));
}

#[tokio::test]
async fn what_is_past_its_time_is_gone_at_once_and_its_epoch_soon_after() {
    let setting = Setting::start().await;
    let store = &setting.store;
    put(store, &[("old", "x", "1"), ("again", "x", "1")]).await.unwrap();
    assert_eq!(setting.epochs().await, [1]);
    // A seventh of a week later, the next epoch.
    setting.pass("23 hours 59 minutes").await;
    put(store, &[("same day", "x", "1")]).await.unwrap();
    assert_eq!(setting.epochs().await, [1]);
    setting.pass("2 minutes").await;
    put(store, &[("next day", "x", "1")]).await.unwrap();
    assert_eq!(setting.epochs().await, [1, 2]);
    // The same again is no younger, and other content is a conflict also in a closed epoch.
    put(store, &[("again", "x", "1")]).await.unwrap();
    assert_eq!(put(store, &[("again", "x", "2")]).await, Err(vec![Conflict(0)]));
    setting.pass("5 days 23 hours 58 minutes 30 seconds").await;
    assert_eq!(
        get(store, &["old", "again", "same day", "next day"]).await,
        ["1", "1", "1", "1"]
    );
    setting.pass("1 minute").await;
    assert_eq!(get(store, &["old", "again", "same day", "next day"]).await, ["1", "1"]);
    // On the disk until the last message of its epoch is past its time. Under its name, another message is new.
    assert_eq!(store.clean().await.unwrap(), 0);
    assert_eq!(put(store, &[("again", "x", "2")]).await, Ok(()));
    assert_eq!(get(store, &["again"]).await, ["2"]);
    assert_eq!(setting.epochs().await, [1, 2, 3]);
    setting.pass("1 day 1 minute").await;
    assert_eq!(get(store, &["same day"]).await.len(), 0);
    let client = store.pool.get().await.unwrap();
    let file = "SELECT pg_relation_filepath('message_1')";
    let file: String = client.query_one(file, &[]).await.unwrap().get(0);
    assert_eq!(store.clean().await.unwrap(), 3);
    // An empty file stays until the next checkpoint.
    let left = "SELECT (pg_stat_file($1, true)).size";
    let left: Option<i64> = client.query_one(left, &[&file]).await.unwrap().get(0);
    assert_eq!(left.unwrap_or_default(), 0);
    assert_eq!(setting.epochs().await, [2, 3]);
    assert_eq!(get(store, &["old", "again", "same day"]).await, ["2"]);
}

#[tokio::test]
async fn an_idle_store_opens_no_epochs_and_empty_ones_go() {
    let setting = Setting::start().await;
    let store = &setting.store;
    store.open().await.unwrap();
    setting.pass("30 days").await;
    store.roll_if_due().await.unwrap();
    assert_eq!(setting.epochs().await, [1]);
    put(store, &[("a", "x", "1")]).await.unwrap();
    assert_eq!(setting.epochs().await, [1, 2]);
    assert_eq!(store.clean().await.unwrap(), 0);
    assert_eq!(setting.epochs().await, [2]);
    setting.pass("2 days").await;
    store.roll_if_due().await.unwrap();
    assert_eq!(setting.epochs().await, [2, 3]);
    // Deleted, so that its epoch is empty.
    delete(store, &["a"]).await;
    assert_eq!(store.clean().await.unwrap(), 0);
    assert_eq!(setting.epochs().await, [3]);
    let size = store.size().await.unwrap();
    assert_eq!(size.epochs, 1);
}

/// A message keeps its time where the clock is set back before its epoch is closed.
#[tokio::test]
async fn a_clock_that_is_set_back_removes_nothing_early() {
    let setting = Setting::start().await;
    let store = &setting.store;
    put(store, &[("a", "x", "1")]).await.unwrap();
    // What was received is now two hours ahead.
    setting.pass("-2 hours").await;
    store.roll(Some(1)).await.unwrap();
    setting.pass("7 days 1 hour").await;
    assert_eq!(store.clean().await.unwrap(), 0);
    assert_eq!(get(store, &["a"]).await, ["1"]);
    setting.pass("2 days").await;
    assert!(get(store, &["a"]).await.is_empty());
    assert_eq!(store.clean().await.unwrap(), 1);
}

/// An epoch that was opened a year ahead would be open for a year, and nothing would leave the disk.
#[tokio::test]
async fn an_epoch_from_the_future_is_closed() {
    let setting = Setting::start().await;
    let store = &setting.store;
    put(store, &[("ahead", "x", "1")]).await.unwrap();
    setting.pass("-1 year").await;
    put(store, &[("a", "x", "1")]).await.unwrap();
    assert_eq!(setting.epochs().await, [1, 2]);
    // A small step back opens no epoch.
    setting.pass("-1 hour").await;
    put(store, &[("b", "x", "1")]).await.unwrap();
    assert_eq!(setting.epochs().await, [1, 2]);
    // The cleaner sees it, too.
    setting.pass("-2 days").await;
    store.roll_if_due().await.unwrap();
    assert_eq!(setting.epochs().await, [1, 2, 3]);
    assert_eq!(get(store, &["ahead", "a", "b"]).await, ["1", "1", "1"]);
}

/// Each epoch keeps its messages for the time that held when it was opened.
#[tokio::test]
async fn another_retention_holds_from_the_next_epoch_on() {
    let setting = Setting::start().await;
    put(&setting.store, &[("week", "x", "1")]).await.unwrap();
    let hour = setting.another(Duration::from_secs(3600));
    hour.open().await.unwrap();
    assert_eq!(setting.epochs().await, [1, 2]);
    put(&hour, &[("hour", "x", "1")]).await.unwrap();
    setting.pass("2 hours").await;
    assert_eq!(get(&hour, &["week", "hour"]).await, ["1"]);
    assert_eq!(hour.clean().await.unwrap(), 0);
    hour.roll_if_due().await.unwrap();
    setting.pass("1 hour").await;
    assert_eq!(hour.clean().await.unwrap(), 1);
}

#[tokio::test]
async fn of_many_at_once_one_is_stored() {
    let setting = Setting::start().await;
    let servers: Vec<Store> = (0..4).map(|_| setting.another(WEEK)).collect();
    for round in 0..20 {
        let (same, other) = (format!("same {round}"), format!("other {round}"));
        let (same, other) = (&*same, &*other);
        let same_puts = servers
            .iter()
            .map(|server| async move { put(server, &[(same, "x", "1"), ("all", "x", "1")]).await });
        let texts = ["0", "1", "2", "3"];
        let other_puts = servers
            .iter()
            .zip(texts)
            .map(|(server, text)| async move { put(server, &[(other, "x", text)]).await });
        let roll = async {
            if round % 5 == 0 {
                let open = setting.epochs().await.last().copied();
                servers[0].roll(open).await.unwrap();
            }
        };
        let (same_puts, other_puts, ()) = tokio::join!(join_all(same_puts), join_all(other_puts), roll);
        assert!(same_puts.iter().all(Result::is_ok), "{same_puts:?}");
        let stored: Vec<&str> = other_puts
            .iter()
            .zip(texts)
            .filter(|(put, _)| put.is_ok())
            .map(|(_, text)| text)
            .collect();
        assert_eq!(get(&setting.store, &[other]).await, stored, "{other_puts:?}");
        assert_eq!(get(&setting.store, &[same]).await, ["1"]);
    }
    let rows = "SELECT count(*) FROM message WHERE id = 'all'";
    let count: i64 = setting
        .store
        .pool
        .get()
        .await
        .unwrap()
        .query_one(rows, &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 1);
}

/// Cleaning does not wait for a reader for long, and puts do not wait for cleaning.
#[tokio::test]
async fn an_epoch_in_use_is_left_for_the_next_time() {
    let setting = Setting::start().await;
    put(&setting.store, &[("a", "x", "1")]).await.unwrap();
    let open = setting.epochs().await.pop();
    setting.store.roll(open).await.unwrap();
    setting.pass("8 days").await;
    let mut reader = setting.store.pool.get().await.unwrap();
    let reading = reader.transaction().await.unwrap();
    reading.query("SELECT count(*) FROM message", &[]).await.unwrap();
    let other = setting.another(WEEK);
    let (cleaned, put) = tokio::join!(other.clean(), put(&other, &[("b", "x", "1")]));
    assert_eq!((cleaned.unwrap(), put), (0, Ok(())));
    reading.rollback().await.unwrap();
    assert_eq!(other.clean().await.unwrap(), 1);
}
