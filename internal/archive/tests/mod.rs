//! Dumps a real database into a real folder; the persistor's own code stores the readings.

mod lineage;
mod retention;
mod snapshot;
mod stale;

use super::read::{self, Reader};
use super::{Day, Dumper, Manifest, Month, Swept};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use reading::message::Message;
use reading::segment::{Builder, Origin, join};
use reading::{Point, time};
use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;
use store::Look;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Device, sensor, time and value.
type Written<'a> = (&'a str, &'a str, &'a str, f64);

/// Why a month stays that was not old enough a day ago.
const EARLY: &str = "it was not old enough at a look at the clock a day ago";

/// Compares a text that people read with its snapshot, without what differs from run to run.
pub(crate) fn pin(name: &str, text: impl std::fmt::Display) {
    let filters = [
        (r"[0-9]+\.[0-9] MiB", "[size]"),
        ("[0-9a-f]{64}", "[SHA-256]"),
        ("Generic LocalFileSystem error.*", "[the store's error]"),
        ("clock it is [-0-9T:.]+Z", "clock it is [now]"),
        (
            r"has [0-9]+ bytes, and its manifest says [0-9]+",
            "has [few] bytes, and its manifest says [more]",
        ),
    ];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(name, text);
    });
}

/// A look by the process of this number, this many days after the release.
fn look(process: u128, days: i64) -> Look {
    Look {
        at: time::RELEASED + days * time::DAY,
        process: Uuid::from_u128(process),
        running: 0,
    }
}

pub(crate) struct Setting {
    pub(crate) pool: ::postgres::Pool,
    readings: store::Store,
    dumper: Dumper,
    pub(crate) store: blob::Store,
    _folder: tempfile::TempDir,
    _database: testutil::Database,
}

impl Setting {
    pub(crate) async fn start() -> Self {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 8, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = blob::Store::open(&format!("file://{}", folder.path().display())).unwrap();
        Self {
            readings: store::Store::new(pool.clone()),
            dumper: Dumper::new(pool.clone(), store.clone()),
            pool,
            store,
            _folder: folder,
            _database: database,
        }
    }

    /// This database, over the store of another one.
    pub(crate) fn over(mut self, other: &Self) -> Self {
        self.store = other.store.clone();
        self.dumper = Dumper::new(self.pool.clone(), self.store.clone());
        self
    }

    /// Stores these readings as the persistor does, in one transaction.
    pub(crate) async fn write(&self, readings: &[Written<'_>]) -> store::Stored {
        self.readings.write(&[message(readings)]).await.unwrap()
    }

    /// Runs a statement as an operator with psql.
    pub(crate) async fn execute(&self, sql: &str) {
        self.pool.get().await.unwrap().batch_execute(sql).await.unwrap();
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.pool.get().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Readings in the database.
    async fn rows(&self) -> i64 {
        self.number("SELECT count(*) FROM reading").await
    }

    async fn partitions(&self) -> i64 {
        self.number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'reading'::regclass")
            .await
    }

    async fn sweep(&self, until: &str) -> Swept {
        let swept = self.dumper.dump_stale(day(until), &CancellationToken::new()).await;
        swept.unwrap()
    }

    /// Drops the months that were over before this day, as of a look a day earlier. Returns each fate as
    /// text, without months not old enough a day ago.
    async fn retain(&self, before: &str, dry_run: bool) -> Vec<String> {
        let mut months = self.retain_at(look(1, 1), before, dry_run).await;
        months.retain(|month| !month.contains(EARLY));
        months
    }

    /// Drops months at this look, with a retention from the release back to this day.
    async fn retain_at(&self, look: Look, before: &str, dry_run: bool) -> Vec<String> {
        let before: Timestamp = format!("{}T00:00:00Z", day(before)).parse().unwrap();
        let days = (time::RELEASED - before.as_microsecond()) / time::DAY;
        let retention = format!("{days}d").parse().unwrap();
        let mut months = Vec::new();
        let report = |month: &Month| months.push(month.to_string());
        let retained = self.dumper.retain_at(look, retention, dry_run, report).await;
        retained.unwrap();
        months
    }

    async fn manifest(&self, of: &str) -> Manifest {
        read::in_force(&self.store, day(of)).await.unwrap().unwrap()
    }

    /// The lines of a file of the store.
    async fn lines(&self, file: &str) -> String {
        let (bytes, _) = self.store.get(file).await.unwrap().unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    /// The readings of the dump in force, after verifying it and its copy against the manifest.
    async fn dumped(&self, of: &str) -> BTreeMap<(String, String, i64), f64> {
        let manifest = self.manifest(of).await;
        let mut reader = Reader::open(&self.store, &manifest).await.unwrap();
        let mut all = BTreeMap::new();
        while let Some(batch) = reader.next().await.unwrap() {
            for reading in batch {
                let (device, sensor, timestamp) = reading.identity();
                all.insert((device.to_owned(), sensor.to_owned(), timestamp), reading.value);
            }
        }
        assert_eq!(all.len() as u64, manifest.readings);
        let data = self.store.get(&manifest.file).await.unwrap().unwrap().0;
        let copy = self.store.get(&format!("{of}.json.gz")).await.unwrap().unwrap().0;
        assert!(data == copy, "the copy of {of} is another one");
        all
    }

    pub(crate) async fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .store
            .list("")
            .map_ok(|meta| meta.name)
            .try_collect()
            .await
            .unwrap();
        names.sort();
        names
    }
}

fn message(readings: &[Written<'_>]) -> Message {
    let mut builder = Builder::default();
    for (device, sensor, timestamp, value) in readings {
        let timestamp = time::parse(timestamp).unwrap();
        let value = *value;
        assert!(builder.push(device, sensor, Point { timestamp, value }, |_| true));
    }
    let origin = Origin {
        upload: Uuid::nil(),
        correlation: String::new(),
        traceparent: String::new(),
    };
    Message::read("", &join([builder.finish(&origin, None)].iter())).unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}
