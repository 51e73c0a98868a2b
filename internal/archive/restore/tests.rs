use super::{Restored, Restorer, Step, missing};
use crate::tests::pin;
use crate::{Day, Days, Dumper, Manifest, Outcome};
use flate2::Compression;
use flate2::write::GzEncoder;
use reading::Name;
use reading::Point;
use reading::message::Message;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use store::{Store, Stored};

/// A database that was dumped, and an empty one.
struct Setting {
    first: ::postgres::Pool,
    second: ::postgres::Pool,
    dumps: blob::Store,
    folder: tempfile::TempDir,
    _databases: [testutil::Database; 2],
}

const DAYS: [&str; 3] = ["2024-04-30", "2024-05-01", "2024-05-03"];

impl Setting {
    /// Three days with 300 readings each, and the dumps of all.
    async fn new() -> Self {
        let databases = [testutil::database().await, testutil::database().await];
        let mut pools = Vec::new();
        for database in &databases {
            let pool = ::postgres::open(&database.url(), 4, Duration::from_secs(30)).unwrap();
            schema::prepare(&pool, true).await.unwrap();
            pools.push(pool);
        }
        let folder = tempfile::tempdir().unwrap();
        let setting = Self {
            second: pools.pop().unwrap(),
            first: pools.pop().unwrap(),
            dumps: blob::Store::open(&format!("file://{}", folder.path().display())).unwrap(),
            folder,
            _databases: databases,
        };
        let store = Store::new(setting.first.clone());
        for day in DAYS {
            for sensor in ["fuel", "speed", "rpm"] {
                write(&store, day, sensor, 0..100).await;
            }
            setting.dump(day).await;
        }
        setting
    }

    async fn dump(&self, day: &str) -> Outcome {
        Dumper::new(self.first.clone(), self.dumps.clone())
            .dump(day.parse().unwrap())
            .await
            .unwrap()
    }

    /// Restores into the second database, and returns the reports and the counts.
    async fn restore(&self, range: Days) -> (Vec<String>, Restored) {
        let mut told = Vec::new();
        let restorer = Restorer::new(self.dumps.clone(), self.second.clone(), 70);
        let totals = restorer.restore(range, |step: &Step| told.push(step.to_string())).await;
        (told, totals.unwrap())
    }

    async fn rows(&self, pool: &::postgres::Pool) -> Vec<String> {
        let client = pool.get().await.unwrap();
        let rows = "SELECT concat_ws(' ', device, sensor, timestamp, value) FROM readings ORDER BY 1";
        let rows = client.query(rows, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn version(&self, day: &str) -> Option<i64> {
        let client = self.second.get().await.unwrap();
        let row = client
            .query_opt("SELECT version FROM day WHERE day = $1::text::date", &[&day])
            .await
            .unwrap();
        row.map(|row| row.get(0))
    }

    /// Dumps the restored day again.
    async fn dump_again(&self, day: &str) -> Outcome {
        Dumper::new(self.second.clone(), self.dumps.clone())
            .dump(day.parse().unwrap())
            .await
            .unwrap()
    }

    fn manifest(&self, day: &str) -> Manifest {
        let bytes = std::fs::read(self.folder.path().join(format!("{day}.manifest.json"))).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn data(&self, day: &str) -> PathBuf {
        self.folder.path().join(self.manifest(day).file)
    }

    /// Replaces a dump by these lines, with a manifest that matches the file.
    fn forge(&self, day: &str, lines: &str, readings: u64) {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(lines.as_bytes()).unwrap();
        let bytes = gzip.finish().unwrap();
        let manifest = Manifest {
            readings,
            bytes: bytes.len() as u64,
            sha256: format!("{:x}", Sha256::digest(&bytes)),
            ..self.manifest(day)
        };
        std::fs::write(self.data(day), bytes).unwrap();
        let name = self.folder.path().join(format!("{day}.manifest.json"));
        std::fs::write(name, serde_json::to_vec(&manifest).unwrap()).unwrap();
    }
}

/// Stores a reading a minute, as the persistor does, in one transaction.
async fn write(store: &Store, day: &str, sensor: &str, minutes: std::ops::Range<i64>) -> Stored {
    let start = day.parse::<Day>().unwrap().start();
    let points: Vec<Point> = minutes
        .map(|minute| Point {
            timestamp: start + minute * 60_000_000,
            value: minute as f64 / 7.0,
        })
        .collect();
    let name = Name {
        device: "lada".to_owned(),
        sensor: sensor.to_owned(),
    };
    let message = Message::of([(&name, &points[..])].into_iter()).unwrap();
    store.write(&[message]).await.unwrap()
}

fn days(from: Option<&str>, to: Option<&str>) -> Days {
    let day = |text: &str| text.parse().unwrap();
    Days::new(from.map(day), to.map(day)).unwrap()
}

fn counts(totals: Restored) -> (u64, u64, u64, u64, u64) {
    let Restored { days, failed, stored } = totals;
    (days, failed, stored.persisted, stored.duplicates, stored.conflicts)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_once_however_often_it_is_restored() {
    let setting = Setting::new().await;
    let (told, totals) = setting.restore(Days::default()).await;
    assert_eq!(counts(totals), (3, 0, 900, 0, 0));
    assert_eq!(
        told,
        [
            "2024-04-30 restored: revision 1 with 300 readings, 300 persisted, 0 duplicates, 0 conflicts (1 of 3)",
            "2024-05-01 restored: revision 1 with 300 readings, 300 persisted, 0 duplicates, 0 conflicts (2 of 3)",
            "2024-05-02 has no dump",
            "2024-05-03 restored: revision 1 with 300 readings, 300 persisted, 0 duplicates, 0 conflicts (3 of 3)",
        ]
    );
    assert!(setting.rows(&setting.first).await == setting.rows(&setting.second).await);
    let (_, again) = setting.restore(Days::default()).await;
    assert_eq!(counts(again), (3, 0, 0, 900, 0));
    assert!(setting.rows(&setting.first).await == setting.rows(&setting.second).await);
    for day in DAYS {
        let manifest = setting.manifest(day);
        assert_eq!(setting.dump_again(day).await, Outcome::Unchanged(manifest), "{day}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_days_that_were_asked_for() {
    let setting = Setting::new().await;
    let (told, totals) = setting.restore(days(Some("2024-05-01"), Some("2024-05-02"))).await;
    assert_eq!(counts(totals), (1, 0, 300, 0, 0));
    assert_eq!(told[1..], ["2024-05-02 has no dump"]);
    assert_eq!(setting.rows(&setting.second).await.len(), 300);
    let restorer = Restorer::new(setting.dumps.clone(), setting.second.clone(), 70);
    let nothing = restorer.check(days(Some("2025-01-01"), None), true).await;
    pin("no_dump_to_restore", nothing.unwrap_err());
}

#[test]
fn the_days_without_a_dump_are_named_as_spans() {
    let dumped = DAYS.iter().map(|day| day.parse().unwrap()).collect();
    let spans = |range| -> Vec<String> {
        let spans = missing(&dumped, range);
        spans.iter().map(|(from, to)| format!("{from} {to}")).collect()
    };
    assert_eq!(spans(Days::default()), ["2024-05-02 2024-05-02"]);
    assert_eq!(
        spans(days(Some("2024-04-28"), Some("2024-06-01"))),
        [
            "2024-04-28 2024-04-29",
            "2024-05-02 2024-05-02",
            "2024-05-04 2024-06-01"
        ]
    );
    let last = ["9999-12-31".parse().unwrap()].into();
    assert_eq!(missing(&last, days(None, Some("9999-12-31"))), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_dump_leaves_nothing_behind_and_holds_up_no_other_day() {
    type Damage = fn(&Setting, &str);
    let another_day = |setting: &Setting, day: &str| {
        let line = "{\"sensor\":\"fuel\",\"value\":1,\"timestamp\":\"2024-05-02T00:00:00Z\",\"device\":\"lada\"}\n";
        setting.forge(day, line, 1);
    };
    let damages: [(&str, Damage); 6] = [
        ("a_flipped_bit", |setting, day| {
            let mut bytes = std::fs::read(setting.data(day)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(setting.data(day), bytes).unwrap();
        }),
        ("a_cut_file", |setting, day| {
            let bytes = std::fs::read(setting.data(day)).unwrap();
            std::fs::write(setting.data(day), &bytes[..bytes.len() - 20]).unwrap();
        }),
        ("a_missing_file", |setting, day| {
            std::fs::remove_file(setting.data(day)).unwrap();
        }),
        ("another_day", another_day),
        ("fewer_readings", |setting, day| {
            let line =
                format!("{{\"sensor\":\"fuel\",\"value\":1,\"timestamp\":\"{day}T00:00:00Z\",\"device\":\"lada\"}}\n");
            setting.forge(day, &line, 2);
        }),
        ("a_bad_manifest", |setting, day| {
            let name = setting.folder.path().join(format!("{day}.manifest.json"));
            std::fs::write(name, "{}").unwrap();
        }),
    ];
    for (name, damage) in damages {
        let setting = Setting::new().await;
        damage(&setting, DAYS[1]);
        let (told, totals) = setting.restore(Days::default()).await;
        assert_eq!(counts(totals), (2, 1, 600, 0, 0), "{name}: {told:?}");
        pin(&format!("{name}_is_not_restored"), &told[1]);
        assert_eq!(setting.version(DAYS[1]).await, None, "{name}");
        let rows = setting.rows(&setting.second).await;
        assert!(rows.iter().all(|row| !row.contains("2024-05-01")), "{name}");
        assert_eq!(rows.len(), 600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_off_and_started_again_it_is_whole() {
    let setting = Setting::new().await;
    // An interrupted restore: some readings of the second day.
    write(&Store::new(setting.second.clone()), DAYS[1], "fuel", 0..70).await;
    let (_, totals) = setting.restore(Days::default()).await;
    assert_eq!(counts(totals), (3, 0, 830, 70, 0));
    assert!(setting.rows(&setting.first).await == setting.rows(&setting.second).await);
    // Its version is past the manifest's; the database knows the dump all the same.
    let manifest = setting.manifest(DAYS[1]);
    assert!(setting.version(DAYS[1]).await > Some(manifest.day_version));
    assert_eq!(setting.dump_again(DAYS[1]).await, Outcome::Unchanged(manifest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_holds_more_than_its_dump_is_stale_and_what_was_published_stays() {
    let setting = Setting::new().await;
    let live = Store::new(setting.second.clone());
    // A day with a reading beyond the dump, and one with another value.
    write(&live, DAYS[0], "fuel", 100..101).await;
    let client = setting.second.get().await.unwrap();
    write(&live, DAYS[1], "fuel", 0..1).await;
    client
        .batch_execute("UPDATE reading SET value = 99 WHERE timestamp = '2024-05-01 00:00:00Z'")
        .await
        .unwrap();
    let (_, totals) = setting.restore(Days::default()).await;
    assert_eq!(counts(totals), (3, 0, 899, 0, 1));
    let Outcome::Written(more) = setting.dump_again(DAYS[0]).await else {
        panic!("passes for dumped");
    };
    assert_eq!(more.readings, 301);
    // The published value stays, now and later.
    let published = setting.manifest(DAYS[1]);
    for _ in 0..2 {
        let Outcome::Unchanged(again) = setting.dump_again(DAYS[1]).await else {
            panic!("a published value was replaced");
        };
        assert_eq!((again.sha256, again.revision), (published.sha256.clone(), 1));
    }
    // A later reading makes it stale in any case.
    write(&live, DAYS[2], "fuel", 100..101).await;
    assert!(matches!(setting.dump_again(DAYS[2]).await, Outcome::Written(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn live_readings_may_come_in_beside_it() {
    let setting = Setting::new().await;
    let live = Store::new(setting.second.clone());
    let storing = async {
        // Readings in the dump and others, in turn.
        for minute in 0..150 {
            write(&live, DAYS[1], "speed", minute..minute + 1).await;
        }
    };
    let ((_, totals), ()) = tokio::join!(setting.restore(Days::default()), storing);
    let Stored {
        persisted,
        duplicates,
        conflicts,
    } = totals.stored;
    assert_eq!((persisted + duplicates, conflicts), (900, 0));
    assert_eq!(setting.rows(&setting.second).await.len(), 950);
    assert!(setting.version(DAYS[1]).await > Some(3));
    let Outcome::Written(again) = setting.dump_again(DAYS[1]).await else {
        panic!("passes for dumped");
    };
    assert_eq!(again.readings, 350);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_dump_restores_to_nothing() {
    let setting = Setting::new().await;
    setting.dump("2024-05-02").await;
    let (told, totals) = setting.restore(days(Some("2024-05-02"), Some("2024-05-02"))).await;
    assert_eq!(counts(totals), (1, 0, 0, 0, 0), "{told:?}");
    assert_eq!(setting.version("2024-05-02").await, None);
    assert!(matches!(setting.dump_again("2024-05-02").await, Outcome::Unchanged(_)));
}
