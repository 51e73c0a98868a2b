//! Readings are stored under their own names, with any number of series and after a failover.

use super::{Error, Store, Stored};
use reading::Point;
use reading::message::Message;
use reading::segment::{Builder, Origin, join};
use std::time::Duration;
use uuid::Uuid;

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600_000_000;

struct Setting {
    pool: ::postgres::Pool,
    _database: testutil::Database,
}

impl Setting {
    async fn start() -> Self {
        let database = testutil::database().await;
        // One connection, so that no new one makes the store forget what it remembers.
        let pool = ::postgres::open(&database.url(), 1, Duration::from_secs(60)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        Self {
            pool,
            _database: database,
        }
    }

    async fn execute(&self, statements: &str) {
        self.pool.get().await.unwrap().batch_execute(statements).await.unwrap();
    }

    /// Sensor, second and value of each reading, and the series' latest second and value.
    async fn rows(&self) -> Vec<(String, i64, f64, Option<i64>, Option<f64>)> {
        let client = self.pool.get().await.unwrap();
        let second = |column: &str| format!("extract(epoch FROM {column} - '2024-05-01 00:00:00Z')::int8");
        let statement = format!(
            "SELECT sensor, {}, value, {}, latest_value FROM reading LEFT JOIN series ON id = series_id
             ORDER BY sensor, timestamp",
            second("timestamp"),
            second("latest_timestamp")
        );
        let rows = client.query(&statement, &[]).await.unwrap();
        rows.iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
            .collect()
    }

    async fn count(&self, of: &str) -> i64 {
        let client = self.pool.get().await.unwrap();
        client
            .query_one(&format!("SELECT count(*) FROM {of}"), &[])
            .await
            .unwrap()
            .get(0)
    }
}

/// Readings (sensor, second, value) of one upload.
fn message<'a>(upload: Uuid, readings: impl IntoIterator<Item = (&'a str, i64, f64)>) -> Message {
    let mut builder = Builder::default();
    for (sensor, second, value) in readings {
        let timestamp = START + second * 1_000_000;
        assert!(builder.push("lada", sensor, Point { timestamp, value }, |_| true));
    }
    let origin = Origin {
        upload,
        correlation: String::new(),
        traceparent: String::new(),
    };
    Message::read(
        &Uuid::now_v7().to_string(),
        &join([builder.finish(&origin, None)].iter()),
    )
    .unwrap()
}

async fn write(store: &Store, readings: &[(&str, i64, f64)]) -> Stored {
    let messages = [message(Uuid::nil(), readings.iter().copied())];
    store.write(&messages).await.unwrap()
}

/// One reading of each of these series at this second.
async fn write_each(store: &Store, names: std::ops::Range<u32>, second: i64) -> u64 {
    let names: Vec<String> = names.map(|number| format!("s{number}")).collect();
    let readings = names.iter().map(|name| (name.as_str(), second, 1.0));
    let stored = store.write(&[message(Uuid::nil(), readings)]).await.unwrap();
    assert_eq!((stored.duplicates, stored.conflicts), (0, 0));
    stored.persisted
}

#[tokio::test]
async fn batches_of_more_series_than_are_remembered() {
    let setting = Setting::start().await;
    let store = Store::remembering(setting.pool.clone(), 50);
    assert_eq!(write_each(&store, 0..60, 1).await, 60);
    assert_eq!(write_each(&store, 2..64, 2).await, 62);
    // A mix of known and unknown series.
    for second in 3..20_u32 {
        let from = second * 37 % 100;
        assert_eq!(
            write_each(&store, from..from + second * 10, second.into()).await,
            u64::from(second) * 10
        );
    }
    assert!(super::lock(&store.known).len() <= 50);
    assert_eq!(setting.count("series WHERE latest_timestamp IS NULL").await, 0);
    let wrong = "series WHERE latest_timestamp <> (SELECT max(timestamp) FROM reading WHERE series_id = id)";
    assert_eq!(setting.count(wrong).await, 0);
}

#[tokio::test]
async fn sixty_thousand_new_series_and_then_more() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    assert_eq!(write_each(&store, 0..60_000, 1).await, 60_000);
    assert_eq!(write_each(&store, 0..62_000, 2).await, 62_000);
    assert_eq!(setting.count("series").await, 62_000);
    assert_eq!(setting.count("readings").await, 122_000);
}

/// A failover behind a proxy: the same connection leads to a database that has other series.
#[tokio::test]
async fn remembered_ids_that_belong_to_others() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    let first = [("fuel", 1, 50.0), ("speed", 1, 7.0)];
    write(&store, &first).await;
    // Restored from before the second series; another vehicle's series took its place.
    setting
        .execute(
            "DELETE FROM reading; DELETE FROM day;
             UPDATE series SET sensor = 'tmp' || id, latest_timestamp = NULL, latest_value = NULL;
             UPDATE series SET sensor = 'speed' WHERE sensor = 'tmp1';
             UPDATE series SET sensor = 'other' WHERE sensor = 'tmp2'",
        )
        .await;
    let stored = write(&store, &[("fuel", 2, 51.0), ("speed", 2, 8.0)]).await;
    assert_eq!(stored.persisted, 2);
    let fuel = ("fuel".to_owned(), 2, 51.0, Some(2), Some(51.0));
    let speed = ("speed".to_owned(), 2, 8.0, Some(2), Some(8.0));
    assert_eq!(setting.rows().await, [fuel, speed]);
    // Nor are readings taken for stored ones of another series: both are new.
    setting
        .execute(
            "UPDATE series SET sensor = 'tmp' || id;
             UPDATE series SET sensor = 'speed' WHERE sensor = 'tmp3';
             UPDATE series SET sensor = 'fuel' WHERE sensor = 'tmp1'",
        )
        .await;
    let stored = write(&store, &[("fuel", 2, 8.0), ("speed", 2, 51.0)]).await;
    assert_eq!(stored.duplicates, 2, "what was speed's is fuel's now");
}

#[tokio::test]
async fn remembered_ids_that_belong_to_none() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    write(&store, &[("fuel", 1, 50.0), ("speed", 1, 7.0)]).await;
    setting
        .execute("DELETE FROM reading; DELETE FROM series WHERE sensor = 'speed'")
        .await;
    // Late readings, which move no latest value, as well as new ones.
    for second in [0, 2] {
        let stored = write(&store, &[("fuel", second, 50.0), ("speed", second, 7.0)]).await;
        assert_eq!(stored.persisted, 2);
    }
    assert_eq!(setting.count("readings").await, 4);
    assert_eq!(setting.count("reading").await, 4);
}

/// A restored database holds an older latest reading of a series than the remembered one.
#[tokio::test]
async fn remembered_latest_readings_that_are_gone() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    write(&store, &[("speed", 1, 1.0)]).await;
    write(&store, &[("speed", 9, 9.0)]).await;
    setting
        .execute(
            "DELETE FROM reading WHERE value = 9;
             UPDATE series SET latest_timestamp = '2024-05-01 00:00:01Z', latest_value = 1",
        )
        .await;
    assert_eq!(write(&store, &[("speed", 5, 5.0)]).await.persisted, 1);
    let expected = [(1, 1.0), (5, 5.0)].map(|(second, value)| ("speed".to_owned(), second, value, Some(5), Some(5.0)));
    assert_eq!(setting.rows().await, expected);
}

/// A transaction that conflicts a few times is stored; one that always conflicts fails.
#[tokio::test]
async fn conflicts_are_tried_again_but_not_for_ever() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    setting
        .execute(
            "CREATE SEQUENCE tries;
             CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF nextval('tries') <= 4 OR NEW.version > 1 THEN
                     RAISE serialization_failure;
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER conflict BEFORE INSERT OR UPDATE ON day FOR EACH ROW EXECUTE FUNCTION conflict()",
        )
        .await;
    assert_eq!(write(&store, &[("speed", 1, 1.0)]).await.persisted, 1);
    assert_eq!(setting.count("readings").await, 1);
    let mut metrics = prometheus_client::registry::Registry::default();
    ::postgres::register(&mut metrics);
    let mut shown = String::new();
    prometheus_client::encoding::text::encode(&mut shown, &metrics).unwrap();
    let of = |name: &str| {
        let line = shown
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(r#"{name="store_readings"} "#));
        line.unwrap_or_else(|| panic!("no {name} in {shown}"))
            .parse::<u64>()
            .unwrap()
    };
    assert!(of("postgres_transaction_retries_total") >= 4);
    assert!(of("postgres_transaction_seconds_count") >= 5);
    // The day exists, so its version grows, which is refused each time.
    let again = store.write(&[message(Uuid::nil(), [("speed", 2, 2.0)])]).await;
    assert!(matches!(again, Err(Error::Unavailable(_))), "{again:?}");
    setting.execute("DROP TRIGGER conflict ON day").await;
    assert_eq!(write(&store, &[("speed", 2, 2.0)]).await.persisted, 1);
    assert_eq!(setting.count("readings").await, 2);
}

/// Receipts go into a table for each day; the prepared statements do not grow with the days.
#[tokio::test]
async fn statements_are_not_kept_for_each_day() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    let mut kept = Vec::new();
    for days in 0..7 {
        let milliseconds = u128::try_from((reading::time::now() - days * reading::time::DAY) / 1000).unwrap();
        let upload = Uuid::from_u128(milliseconds << 80 | 0x7000 << 64 | 0x8000 << 48 | 1);
        // Once: a connection on which a message came again is not reused.
        let message = message(upload, [("speed", days, 1.0)]);
        store.write(&[message]).await.unwrap();
        kept.push(setting.pool.get().await.unwrap().statement_cache.size());
    }
    assert_eq!(setting.count("receipt").await, 7);
    assert!(kept[1..].iter().all(|kept_then| *kept_then == kept[1]), "{kept:?}");
    let prepared = setting.count("pg_prepared_statements").await;
    assert!(
        usize::try_from(prepared).unwrap() <= kept[1] + 1,
        "{prepared} on the server"
    );
}
