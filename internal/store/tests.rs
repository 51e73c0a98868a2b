use super::{Store, Stored};
use reading::Point;
use reading::message::Message;
use reading::segment::{Builder, Origin, join};
use std::collections::BTreeMap;
use std::time::Duration;

/// 2024-05-31T23:00:00Z, so that an hour later another month begins.
const START: i64 = 1_717_196_400_000_000;

/// A store over a database of its own, and the readings it must hold.
struct Setting {
    store: Store,
    pool: ::postgres::Pool,
    expected: BTreeMap<(String, i64), f64>,
    _database: testutil::Database,
}

impl Setting {
    async fn start() -> Self {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 2, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        Self {
            store: Store::new(pool.clone()),
            pool,
            expected: BTreeMap::new(),
            _database: database,
        }
    }

    /// Stores these readings (sensor, seconds since the start, value) as one batch. Checks the store's
    /// counts.
    async fn write(&mut self, readings: &[(&str, i64, f64)]) -> Stored {
        let mut builder = Builder::default();
        let mut expected = Stored::default();
        for (sensor, second, value) in readings {
            let timestamp = START + second * 1_000_000;
            let value = *value;
            assert!(builder.push("lada", sensor, Point { timestamp, value }, |_| true));
            match self.expected.get(&((*sensor).to_owned(), timestamp)) {
                None => {
                    self.expected.insert(((*sensor).to_owned(), timestamp), value);
                    expected.persisted += 1;
                }
                Some(there) if *there == value => expected.duplicates += 1,
                Some(_) => expected.conflicts += 1,
            }
        }
        let origin = Origin {
            upload: uuid::Uuid::nil(),
            correlation: String::new(),
            traceparent: String::new(),
        };
        let payload = join([builder.finish(&origin, None)].iter());
        let message = Message::read(&uuid::Uuid::now_v7().to_string(), &payload).unwrap();
        let stored = self.store.write(&[message]).await.unwrap();
        assert_eq!(stored, expected);
        stored
    }

    /// Checks the stored readings and the latest values.
    async fn check(&self) {
        let client = self.pool.get().await.unwrap();
        let rows = client
            .query(
                "SELECT sensor, (extract(epoch FROM timestamp) * 1000000)::int8, value FROM readings",
                &[],
            )
            .await
            .unwrap();
        let found: BTreeMap<(String, i64), f64> =
            rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
        assert_eq!(rows.len(), found.len());
        assert!(
            found == self.expected,
            "{} rows, not {}",
            found.len(),
            self.expected.len()
        );
        let wrong = client
            .query(
                "SELECT sensor FROM series JOIN LATERAL
                 (SELECT timestamp, value FROM reading WHERE series_id = id ORDER BY timestamp DESC LIMIT 1) AS last ON true
                 WHERE (latest_timestamp, latest_value) IS DISTINCT FROM (last.timestamp, last.value)",
                &[],
            )
            .await
            .unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

#[test]
fn the_newest_migration_is_what_the_statements_need() {
    assert_eq!(schema::version(), crate::SCHEMA);
}

#[tokio::test]
async fn a_batch_that_comes_again_is_all_duplicates() {
    let mut setting = Setting::start().await;
    let batch: Vec<(&str, i64, f64)> = (0..6000)
        .flat_map(|second| [("fuel", second, 50.0), ("speed", second, second as f64)])
        .collect();
    assert_eq!(setting.write(&batch).await.persisted, 12_000);
    assert_eq!(setting.write(&batch).await.duplicates, 12_000);
    // Another process, which remembers nothing.
    setting.store = Store::new(setting.pool.clone());
    assert_eq!(setting.write(&batch).await.duplicates, 12_000);
    setting.check().await;
}

/// So few readings over so many that each is looked up by itself.
#[tokio::test]
async fn a_few_readings_spread_over_many_that_are_there() {
    let mut setting = Setting::start().await;
    let dense: Vec<(&str, i64, f64)> = (0..5000).map(|second| ("speed", 2 * second, 1.0)).collect();
    setting.write(&dense).await;
    let spread: Vec<(&str, i64, f64)> = (0..100)
        .map(|step| ("speed", 99 * step, f64::from(step % 2 == 0)))
        .collect();
    let stored = setting.write(&spread).await;
    assert_eq!((stored.persisted, stored.duplicates, stored.conflicts), (50, 50, 0));
    setting.check().await;
}

/// Batches of any shape over each other: gaps filled, ends overlapping, values that differ.
#[tokio::test]
async fn batches_over_each_other() {
    let mut setting = Setting::start().await;
    let mut state = 7_u64;
    let mut random = |below: i64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % u64::try_from(below).unwrap()).unwrap()
    };
    for _ in 0..60 {
        let mut batch = Vec::new();
        for sensor in ["fuel", "revolution", "speed"] {
            let (from, step, count) = (random(7200), 1 + random(40), random(300));
            for number in 0..count {
                // One in ten has another value than its moment's.
                let second = from + number * step;
                let value = if random(10) == 0 { -1.0 } else { second as f64 };
                batch.push((sensor, second, value));
            }
        }
        if !batch.is_empty() {
            setting.write(&batch).await;
        }
    }
    setting.check().await;
}

#[tokio::test]
async fn the_days_of_devices_have_the_versions_of_their_days() {
    let mut setting = Setting::start().await;
    let committed = std::sync::Arc::new(tokio::sync::Notify::new());
    setting.store = Store::new(setting.pool.clone()).notifying(committed.clone());
    setting.write(&[("a", 0, 1.0), ("b", 0, 1.0), ("a", 3600, 1.0)]).await;
    committed.notified().await;
    setting.write(&[("a", 3601, 1.0)]).await;
    // Nothing new, so nothing to tell.
    setting.write(&[("a", 3601, 1.0)]).await;
    let client = setting.pool.get().await.unwrap();
    let all = "SELECT device, device_day.day::text, device_day.version, day.version, xid::text::int8
        FROM device_day JOIN day USING (day) ORDER BY 2";
    let rows = client.query(all, &[]).await.unwrap();
    let found: Vec<(String, String, i64, i64)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    let expected = [("2024-05-31", 1), ("2024-06-01", 2)]
        .map(|(day, version)| ("lada".to_owned(), day.to_owned(), version, version));
    assert_eq!(found, expected);
    let [first, second] = [&rows[0], &rows[1]].map(|row| row.get::<_, i64>(4));
    assert!(first < second, "{first} {second}");
}
