//! Dumpers that race and dumpers that die, over a store in memory.

use super::*;
use crate::write;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use tokio::sync::Barrier;

/// The dumps that the database knows: ids are unique, so that one does for all tests.
static KNOWN: LazyLock<Mutex<HashMap<Uuid, Known>>> = LazyLock::new(Mutex::default);

/// The database: says at which version it freezes, and what happens before that is written.
struct Database<L>(L);

impl<L, F> Source for Database<L>
where
    L: Fn() -> (i64, F) + Sync,
    F: Future<Output = ()> + Send,
{
    type Content = Frozen<F>;

    async fn freeze(&self, dump: Option<&Manifest>) -> anyhow::Result<Frozen<F>> {
        let (version, meanwhile) = (self.0)();
        Ok(Frozen {
            version,
            known: dump.and_then(|dump| KNOWN.lock().unwrap().get(&dump.id.unwrap()).copied()),
            meanwhile,
        })
    }

    async fn record(&self, dump: Uuid, known: Known) -> anyhow::Result<()> {
        KNOWN.lock().unwrap().insert(dump, known);
        Ok(())
    }
}

/// A day at a version: as many readings as the version has units, the first ones of the day.
struct Frozen<F> {
    version: i64,
    known: Option<Known>,
    meanwhile: F,
}

impl<F: Future<Output = ()> + Send> Content for Frozen<F> {
    fn version(&self) -> i64 {
        self.version
    }

    fn dropped(&self) -> Option<i64> {
        None
    }

    fn known(&self) -> Option<Known> {
        self.known
    }

    fn held(&self) -> Option<i64> {
        None
    }

    async fn write(self, base: Option<(&Store, &Manifest)>, to: &mut blob::Writer) -> anyhow::Result<(Written, bool)> {
        let (day, version) = (day(), self.version);
        self.meanwhile.await;
        let of_base = base.map_or(0, |(_, base)| i64::try_from(base.readings).unwrap());
        let produce = |mut sink: write::Sink| async move {
            sink.series("lada", "speed");
            for second in 0..version.max(of_base) {
                sink.reading(day.start() + second * 1_000_000, 1.5).await?;
            }
            Ok(sink)
        };
        Ok((write::write(day, to, produce).await?, of_base <= version))
    }
}

fn day() -> Day {
    "2017-06-03".parse().unwrap()
}

/// An empty store of the test's own.
fn store(name: &str) -> Store {
    Store::open(&format!("memory:///dump-commit/{name}")).unwrap()
}

async fn dump(store: &Store, version: i64) -> anyhow::Result<Outcome> {
    commit(store, day(), &Database(|| (version, std::future::ready(())))).await
}

async fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<_> = store.list("").map_ok(|meta| meta.name).try_collect().await.unwrap();
    names.sort();
    names
}

/// Checks all that a reader relies on: the manifest in force names a file that is as it says, and
/// the stable name holds the same.
async fn valid(store: &Store) -> Manifest {
    let (manifest, _) = in_force(store, day()).await.unwrap().unwrap();
    let (data, _) = store.get(&manifest.file).await.unwrap().unwrap();
    let digest: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((digest, data.len() as u64), (manifest.sha256.clone(), manifest.bytes));
    assert_eq!(
        i64::try_from(manifest.readings).unwrap(),
        manifest.day_version,
        "content of another version"
    );
    let (copy, _) = store.get("2017-06-03.json.gz").await.unwrap().unwrap();
    assert!(
        copy == data,
        "the stable name holds something else than {}",
        manifest.file
    );
    manifest
}

#[tokio::test]
async fn an_unchanged_day_is_not_written_again() {
    let store = store("unchanged");
    let written = dump(&store, 3).await.unwrap();
    assert!(matches!(&written, Outcome::Written(manifest) if manifest.revision == 1));
    let before = names(&store).await;
    assert_eq!(
        before,
        [
            "2017-06-03.json.gz",
            "2017-06-03.manifest.json",
            "2017-06-03.r1.json.gz"
        ]
    );
    assert_eq!(
        dump(&store, 3).await.unwrap(),
        Outcome::Unchanged(written.manifest().clone())
    );
    assert_eq!(names(&store).await, before);
    assert_eq!(dump(&store, 4).await.unwrap().manifest().revision, 2);
    assert_eq!(valid(&store).await.day_version, 4);
}

/// Also where its version is the manifest's by chance, and beyond it later.
#[tokio::test]
async fn what_another_database_had_is_kept() {
    let store = store("started-over");
    let first = dump(&store, 5).await.unwrap().manifest().clone();
    KNOWN.lock().unwrap().remove(&first.id.unwrap());
    for version in [2, 5, 7] {
        let manifest = dump(&store, version).await.unwrap().manifest().clone();
        let held = u64::try_from(version.max(5)).unwrap();
        assert_eq!((manifest.readings, manifest.day_version), (held, version));
        let known = KNOWN.lock().unwrap()[&manifest.id.unwrap()];
        let whole = version >= 5;
        assert_eq!(known, Known { version, whole });
    }
    valid(&store).await;
}

/// The manifest names a dump that the database knows, whenever the dumper dies.
#[tokio::test]
async fn a_dump_is_known_before_it_is_in_force() {
    struct Forgetful;
    impl Source for Forgetful {
        type Content = Frozen<std::future::Ready<()>>;

        async fn freeze(&self, dump: Option<&Manifest>) -> anyhow::Result<Self::Content> {
            Database(|| (3, std::future::ready(()))).freeze(dump).await
        }

        async fn record(&self, _: Uuid, _: Known) -> anyhow::Result<()> {
            bail!("the database went away")
        }
    }
    let store = store("unrecorded");
    commit(&store, day(), &Forgetful).await.unwrap_err();
    assert_eq!(in_force(&store, day()).await.unwrap(), None);
    assert_eq!(names(&store).await, [""; 0], "what nobody will ever name was left");
    dump(&store, 3).await.unwrap();
    valid(&store).await;
}

/// A manifest that was moved away, or set back, does not have its files written over.
#[tokio::test]
async fn a_revision_that_is_there_is_not_written_over() {
    let store = store("moved-away");
    for version in [3, 5] {
        dump(&store, version).await.unwrap();
    }
    let before = store.get("2017-06-03.r1.json.gz").await.unwrap().unwrap().0;
    store.delete("2017-06-03.manifest.json").await.unwrap();
    assert_eq!(dump(&store, 7).await.unwrap().manifest().revision, 3);
    assert_eq!(store.get("2017-06-03.r1.json.gz").await.unwrap().unwrap().0, before);
    assert!(names(&store).await.iter().all(|name| !name.ends_with(".claim")));
}

#[tokio::test]
async fn a_day_without_readings() {
    let store = store("empty");
    let manifest = dump(&store, 0).await.unwrap().manifest().clone();
    assert_eq!(
        (
            manifest.readings,
            manifest.devices,
            manifest.first_timestamp,
            manifest.last_timestamp
        ),
        (0, 0, None, None)
    );
    valid(&store).await;
}

#[tokio::test]
async fn a_crash_after_the_claim_skips_a_number() {
    let store = store("claimed");
    assert!(store.create("2017-06-03.r1.claim", Bytes::new()).await.unwrap());
    assert_eq!(dump(&store, 3).await.unwrap().manifest().revision, 2);
    valid(&store).await;
}

#[tokio::test]
async fn a_crash_before_the_copy_is_repaired() {
    let store = store("uncopied");
    let manifest = dump(&store, 3).await.unwrap().manifest().clone();
    store.delete("2017-06-03.json.gz").await.unwrap();
    assert!(matches!(dump(&store, 3).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(valid(&store).await, manifest);

    // The copy of the last revision is still there, and older than the data of this one.
    let old = store.get(&manifest.file).await.unwrap().unwrap().0;
    dump(&store, 5).await.unwrap();
    store.delete("2017-06-03.json.gz").await.unwrap();
    assert!(store.create("2017-06-03.json.gz", old).await.unwrap());
    dump(&store, 5).await.unwrap();
    assert_eq!(valid(&store).await.revision, 2);
}

#[tokio::test]
async fn a_copy_older_than_the_data_is_made_again() {
    let store = store("older-copy");
    let manifest = dump(&store, 3).await.unwrap().manifest().clone();
    let data = store.get(&manifest.file).await.unwrap().unwrap().0;
    // As many bytes, but others, and from before.
    store.delete("2017-06-03.json.gz").await.unwrap();
    assert!(
        store
            .create("2017-06-03.json.gz", Bytes::from(vec![0; data.len()]))
            .await
            .unwrap()
    );
    let mut again = store.writer(&manifest.file).await.unwrap();
    again.write(data).await.unwrap();
    again.finish().await.unwrap();
    dump(&store, 3).await.unwrap();
    assert_eq!(valid(&store).await, manifest);
}

/// A damaged file is not copied over a good one.
#[tokio::test]
async fn damaged_data_is_written_again() {
    let store = store("damaged");
    let manifest = dump(&store, 3).await.unwrap().manifest().clone();
    let mut data = store.get(&manifest.file).await.unwrap().unwrap().0.to_vec();
    data[12] ^= 1;
    let mut damage = store.writer(&manifest.file).await.unwrap();
    damage.write(data.into()).await.unwrap();
    damage.finish().await.unwrap();
    assert!(matches!(dump(&store, 3).await.unwrap(), Outcome::Written(_)));
    assert_eq!(valid(&store).await.revision, 2);
}

#[tokio::test]
async fn data_that_has_vanished_is_written_again() {
    let store = store("vanished");
    dump(&store, 3).await.unwrap();
    store.delete("2017-06-03.r1.json.gz").await.unwrap();
    assert!(matches!(dump(&store, 3).await.unwrap(), Outcome::Written(_)));
    assert_eq!(valid(&store).await.revision, 2);
}

#[tokio::test]
async fn a_file_that_is_no_manifest_is_named_and_kept() {
    let store = store("foreign");
    assert!(
        store
            .create("2017-06-03.manifest.json", Bytes::from_static(b"{}"))
            .await
            .unwrap()
    );
    let error = dump(&store, 3).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("2017-06-03.manifest.json is not a dump's manifest"),
        "{error}"
    );
    assert_eq!(names(&store).await, ["2017-06-03.manifest.json"]);
}

/// While one writes version 4, another dumps version `second`, from start to end.
async fn overlapped(name: &str, second: i64) -> (Store, Outcome) {
    let store = store(name);
    let looks = AtomicI64::new(0);
    let freeze = || {
        let is_first = looks.fetch_add(1, Ordering::SeqCst) == 0;
        let rival = store.clone();
        let meanwhile = async move {
            if is_first {
                dump(&rival, second).await.unwrap();
            }
        };
        (if is_first { 4 } else { second }, meanwhile)
    };
    let outcome = commit(&store, day(), &Database(freeze)).await.unwrap();
    (store, outcome)
}

#[tokio::test]
async fn a_fresher_rival_wins() {
    let (store, outcome) = overlapped("fresher-rival", 5).await;
    assert!(matches!(outcome, Outcome::Unchanged(manifest) if manifest.day_version == 5));
    let manifest = valid(&store).await;
    assert_eq!((manifest.revision, manifest.day_version), (2, 5));
    assert_eq!(
        names(&store).await,
        [
            "2017-06-03.json.gz",
            "2017-06-03.manifest.json",
            "2017-06-03.r2.json.gz"
        ]
    );
}

#[tokio::test]
async fn an_equal_rival_wins() {
    let (store, outcome) = overlapped("equal-rival", 4).await;
    assert!(matches!(outcome, Outcome::Unchanged(manifest) if manifest.revision == 2));
    assert_eq!(names(&store).await.len(), 3);
    valid(&store).await;
}

/// The rival has the higher number, so that the first starts over with a higher one still.
#[tokio::test]
async fn an_older_rival_is_overtaken() {
    let store = store("older-rival");
    let rivals = Arc::new(AtomicI64::new(1));
    let freeze = || {
        let (rival, rivals) = (store.clone(), rivals.clone());
        let meanwhile = async move {
            if rivals.fetch_sub(1, Ordering::SeqCst) > 0 {
                dump(&rival, 5).await.unwrap();
            }
        };
        (8, meanwhile)
    };
    let outcome = commit(&store, day(), &Database(freeze)).await;
    assert!(matches!(outcome.unwrap(), Outcome::Written(manifest) if manifest.revision == 3));
    assert_eq!(valid(&store).await.day_version, 8);
    let expected = [
        "2017-06-03.json.gz",
        "2017-06-03.manifest.json",
        "2017-06-03.r2.json.gz",
        "2017-06-03.r3.json.gz",
    ];
    assert_eq!(names(&store).await, expected);
}

/// A rival commits the number that we are about to claim, and frees its claim before we make ours.
#[tokio::test]
async fn a_number_that_is_in_force_cannot_be_claimed() {
    let store = store("claimed-late");
    for version in 1..=3 {
        dump(&store, version).await.unwrap();
    }
    let before = names(&store).await;
    assert_eq!(claim(&store, day(), 1).await.unwrap(), None);
    assert_eq!(names(&store).await, before, "a claim was left behind");
    assert_eq!(claim(&store, day(), 3).await.unwrap(), Some(4));
}

/// A rival commits and copies while our copy of the revision before is on its way.
#[tokio::test]
async fn the_slower_copy_of_an_older_revision_is_undone() {
    let store = store("slow-copy");
    let older = dump(&store, 3).await.unwrap().manifest().clone();
    let newer = dump(&store, 5).await.unwrap().manifest().clone();
    copy(&store, &older).await.unwrap();
    assert_eq!(valid(&store).await, newer);
}

#[tokio::test]
async fn rivals_without_end_are_an_error_and_what_is_in_force_is_valid() {
    let store = store("endless-rivals");
    let version = Arc::new(AtomicI64::new(1));
    let freeze = || {
        let (rival, version) = (store.clone(), version.clone());
        let meanwhile = async move {
            dump(&rival, version.fetch_add(1, Ordering::SeqCst)).await.unwrap();
        };
        (100, meanwhile)
    };
    let error = commit(&store, day(), &Database(freeze)).await.unwrap_err();
    assert!(error.to_string().contains("were faster 10 times"), "{error}");
    assert_eq!(valid(&store).await.day_version, 10);
    assert!(names(&store).await.iter().all(|name| !name.ends_with(".claim")));
}

#[tokio::test]
async fn a_failure_while_reading_leaves_nothing() {
    struct Broken;
    impl Source for Broken {
        type Content = Self;
        async fn freeze(&self, _: Option<&Manifest>) -> anyhow::Result<Self> {
            Ok(Self)
        }
        async fn record(&self, _: Uuid, _: Known) -> anyhow::Result<()> {
            bail!("what is not written is not recorded")
        }
    }
    impl Content for Broken {
        fn version(&self) -> i64 {
            1
        }
        fn dropped(&self) -> Option<i64> {
            None
        }
        fn known(&self) -> Option<Known> {
            None
        }
        fn held(&self) -> Option<i64> {
            None
        }
        async fn write(self, _: Option<(&Store, &Manifest)>, to: &mut blob::Writer) -> anyhow::Result<(Written, bool)> {
            to.write(Bytes::from_static(b"half of it")).await?;
            bail!("the database went away")
        }
    }
    let store = store("broken");
    let error = commit(&store, day(), &Broken).await.unwrap_err();
    assert_eq!(error.to_string(), "the database went away");
    assert_eq!(names(&store).await, [""; 0]);
}

/// Several dumpers of a day that goes on changing, all at once, many times.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_at_once_end_in_one_valid_revision() {
    for round in 0..150 {
        race(&store(&format!("race/{round}")), round).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_at_once_in_a_folder() {
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        race(
            &Store::open(&format!("file://{}", folder.path().display())).unwrap(),
            round,
        )
        .await;
    }
}

async fn race(store: &Store, round: i64) {
    let version = Arc::new(AtomicI64::new(1));
    let start = Arc::new(Barrier::new(4));
    let dumpers: Vec<_> = (0..4)
        .map(|me| {
            let (store, version, start) = (store.clone(), version.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                let freeze = || {
                    // The day changes at every other look at it.
                    let step = (me + round) % 2;
                    let version = version.fetch_add(step, Ordering::SeqCst) + step;
                    (version, tokio::task::yield_now())
                };
                commit(&store, day(), &Database(freeze)).await.unwrap()
            })
        })
        .collect();
    let mut freshest = 0;
    for dumper in dumpers {
        freshest = freshest.max(dumper.await.unwrap().manifest().day_version);
    }
    let manifest = valid(store).await;
    assert_eq!(
        manifest.day_version, freshest,
        "round {round}: an older dump is in force"
    );
    let names = names(store).await;
    assert!(
        names.iter().all(|name| !name.ends_with(".claim")),
        "round {round}: {names:?}"
    );
}
