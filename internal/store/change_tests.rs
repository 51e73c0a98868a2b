//! Changes as subscriptions read them.

use crate::{Store, Timestamptz};
use ::postgres::Pool;
use reading::Point;
use reading::message::Message;
use reading::segment::{Builder, Origin, join};
use std::time::Duration;

const SECOND: i64 = 1_000_000;
/// 2024-05-31T23:00:00Z.
const START: i64 = 1_717_196_400 * SECOND;

/// A change: sensor, and seconds since the start.
type Change = (String, i64, i64);

struct Setting {
    pool: Pool,
    _database: testutil::Database,
}

impl Setting {
    async fn start() -> Self {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 2, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        Self {
            pool,
            _database: database,
        }
    }

    async fn watch(&self, patterns: &str) {
        let update = "UPDATE interest SET version = version + 1, patterns = $1::text::jsonb";
        self.pool
            .get()
            .await
            .unwrap()
            .execute(update, &[&patterns])
            .await
            .unwrap();
    }

    async fn write(&self, store: &Store, readings: &[(&str, i64)]) {
        store.write(&[message(readings)]).await.unwrap();
    }

    async fn changes(&self) -> Vec<Change> {
        let select = "SELECT sensor, first, last
            FROM change, unnest(series, firsts, lasts) AS span (id, first, last) JOIN series USING (id)
            ORDER BY xid, sensor, first";
        let rows = self.pool.get().await.unwrap().query(select, &[]).await.unwrap();
        let second = |Timestamptz(at)| (at - START) / SECOND;
        rows.iter()
            .map(|row| (row.get(0), second(row.get(1)), second(row.get(2))))
            .collect()
    }
}

fn change(sensor: &str, first: i64, last: i64) -> Change {
    (sensor.to_owned(), first, last)
}

/// A message with readings of a device, so many seconds after the start.
fn message(readings: &[(&str, i64)]) -> Message {
    let mut builder = Builder::default();
    for (sensor, second) in readings {
        let point = Point {
            timestamp: START + second * SECOND,
            value: 1.0,
        };
        assert!(builder.push("lada", sensor, point, |_| true));
    }
    let origin = Origin {
        upload: uuid::Uuid::nil(),
        correlation: String::new(),
        traceparent: String::new(),
    };
    let payload = join([builder.finish(&origin, None)].iter());
    Message::read(&uuid::Uuid::now_v7().to_string(), &payload).unwrap()
}

#[tokio::test]
async fn new_readings_of_watched_series_leave_their_spans() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    setting.write(&store, &[("speed", 0)]).await;
    assert_eq!(setting.changes().await, []);

    // The store learns of it in its next transaction.
    setting
        .watch(r#"[{"device":"l*a","sensors":["speed","rpm"]},{"device":"truck","sensors":["fuel"]}]"#)
        .await;
    setting
        .write(&store, &[("speed", 1), ("speed", 2), ("fuel", 1), ("rpm", 7000)])
        .await;
    let mut expected = vec![change("rpm", 7000, 7000), change("speed", 1, 2)];
    assert_eq!(setting.changes().await, expected);

    // Of a repetition, only what is new; May and June are one span.
    setting
        .write(&store, &[("speed", 2), ("speed", 3), ("speed", 3599), ("speed", 3601)])
        .await;
    expected.extend([change("speed", 3, 3), change("speed", 3599, 3601)]);
    assert_eq!(setting.changes().await, expected);
    setting.write(&store, &[("speed", 2), ("speed", 3)]).await;
    assert_eq!(setting.changes().await, expected);

    setting.watch("[]").await;
    setting.write(&store, &[("speed", 5)]).await;
    assert_eq!(setting.changes().await, expected);
}

#[tokio::test]
async fn whoever_writes_no_changes_writes_none() {
    let setting = Setting::start().await;
    setting.watch(r#"[{"device":"*","sensors":["speed"]}]"#).await;
    let without = Store::new(setting.pool.clone()).without_changes();
    setting.write(&without, &[("speed", 1)]).await;
    let history = Store::of_history(setting.pool.clone());
    history.write_silently(&[message(&[("speed", 2)])]).await.unwrap();
    assert_eq!(setting.changes().await, []);
    setting.write(&history, &[("speed", 3)]).await;
    assert_eq!(setting.changes().await, [change("speed", 3, 3)]);
}
