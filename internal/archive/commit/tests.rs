//! Dumpers that race and dumpers that die, over a real database.

use super::*;
use crate::tests::Setting;
use crate::tests::pin;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Barrier;

fn day() -> Day {
    "2017-06-03".parse().unwrap()
}

fn of_day(setting: &Setting) -> OfDay<'_> {
    OfDay {
        pool: &setting.pool,
        day: day(),
    }
}

/// Stores a reading of this second of the day, in a transaction of its own.
async fn write_second(setting: &Setting, second: u32) {
    let timestamp = format!("2017-06-03T00:{:02}:{:02}Z", second / 60, second % 60);
    setting.write(&[("lada", "speed", &timestamp, 1.5)]).await;
}

/// Brings the day to this version: as many readings as the version has units.
async fn fill(setting: &Setting, version: u32) {
    let readings = setting.number("SELECT count(*) FROM reading").await;
    for second in u32::try_from(readings).unwrap()..version {
        write_second(setting, second).await;
    }
}

async fn dump(setting: &Setting, version: u32) -> anyhow::Result<Outcome> {
    fill(setting, version).await;
    commit(&setting.store, &of_day(setting)).await
}

async fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<_> = store.list("").map_ok(|meta| meta.name).try_collect().await.unwrap();
    names.sort();
    names
}

/// An attempt that has claimed its revision.
async fn claimed<'a>(attempt: Attempt<'a>) -> Claimed<'a> {
    match attempt.claim().await.unwrap() {
        Step::Claimed(claimed) => claimed,
        Step::Done(_) => panic!("the dump is up to date"),
        Step::Overtaken => panic!("another dumper was faster"),
    }
}

/// Checks all that a reader relies on: the manifest in force names a file that is as it says, and
/// the stable name holds the same.
async fn valid(store: &Store) -> Manifest {
    let (manifest, _) = in_force(store, day()).await.unwrap().unwrap();
    let (data, _) = store.get(&manifest.file).await.unwrap().unwrap();
    let digest = format!("{:x}", Sha256::digest(&data));
    assert_eq!((digest, data.len() as u64), (manifest.sha256.clone(), manifest.bytes));
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
    let setting = Setting::start().await;
    let store = &setting.store;
    let written = dump(&setting, 3).await.unwrap();
    assert!(matches!(&written, Outcome::Written(manifest) if manifest.revision == 1));
    let before = setting.names().await;
    assert_eq!(
        before,
        [
            "2017-06-03.json.gz",
            "2017-06-03.manifest.json",
            "2017-06-03.r1.json.gz"
        ]
    );
    assert_eq!(
        dump(&setting, 3).await.unwrap(),
        Outcome::Unchanged(written.manifest().clone())
    );
    assert_eq!(setting.names().await, before);
    assert_eq!(dump(&setting, 4).await.unwrap().manifest().revision, 2);
    assert_eq!(valid(store).await.day_version, 4);
}

/// Also where its version is the manifest's by chance, and beyond it later.
#[tokio::test]
async fn what_another_database_had_is_kept() {
    let lost = Setting::start().await;
    dump(&lost, 5).await.unwrap();
    let new = Setting::start().await.over(&lost);
    for version in [2, 5, 7] {
        let manifest = dump(&new, version).await.unwrap().manifest().clone();
        let (held, version) = (u64::from(version.max(5)), i64::from(version));
        assert_eq!((manifest.readings, manifest.day_version), (held, version));
        let record = new.pool.get().await.unwrap();
        let record = record
            .query_one("SELECT version, whole FROM dumped_day WHERE dump = $1", &[&manifest.id])
            .await
            .unwrap();
        assert_eq!((record.get::<_, i64>(0), record.get(1)), (version, version >= 5));
    }
    valid(&new.store).await;
}

/// The manifest names a dump that the database has a record of, whenever the dumper dies.
#[tokio::test]
async fn a_dump_is_recorded_before_it_is_in_force() {
    let setting = Setting::start().await;
    setting
        .execute("ALTER TABLE dumped_day ADD CONSTRAINT never CHECK (false)")
        .await;
    dump(&setting, 3).await.unwrap_err();
    assert_eq!(in_force(&setting.store, day()).await.unwrap(), None);
    assert_eq!(
        setting.names().await,
        [""; 0],
        "files that no manifest will name were left"
    );
    setting.execute("ALTER TABLE dumped_day DROP CONSTRAINT never").await;
    dump(&setting, 3).await.unwrap();
    valid(&setting.store).await;
}

/// A manifest that was moved away, or set back, does not have its files written over.
#[tokio::test]
async fn a_revision_that_is_there_is_not_written_over() {
    let setting = Setting::start().await;
    let store = &setting.store;
    for version in [3, 5] {
        dump(&setting, version).await.unwrap();
    }
    let before = store.get("2017-06-03.r1.json.gz").await.unwrap().unwrap().0;
    store.delete("2017-06-03.manifest.json").await.unwrap();
    assert_eq!(dump(&setting, 7).await.unwrap().manifest().revision, 3);
    assert_eq!(store.get("2017-06-03.r1.json.gz").await.unwrap().unwrap().0, before);
    assert!(setting.names().await.iter().all(|name| !name.ends_with(".claim")));
}

#[tokio::test]
async fn a_day_without_readings() {
    let setting = Setting::start().await;
    let store = &setting.store;
    let manifest = dump(&setting, 0).await.unwrap().manifest().clone();
    assert_eq!(
        (
            manifest.readings,
            manifest.devices,
            manifest.first_timestamp,
            manifest.last_timestamp
        ),
        (0, 0, None, None)
    );
    valid(store).await;
}

#[tokio::test]
async fn a_crash_after_the_claim_skips_a_number() {
    let setting = Setting::start().await;
    let store = &setting.store;
    assert!(store.create("2017-06-03.r1.claim", Bytes::new()).await.unwrap());
    assert_eq!(dump(&setting, 3).await.unwrap().manifest().revision, 2);
    valid(store).await;
}

#[tokio::test]
async fn a_crash_before_the_copy_is_repaired() {
    let setting = Setting::start().await;
    let store = &setting.store;
    let manifest = dump(&setting, 3).await.unwrap().manifest().clone();
    store.delete("2017-06-03.json.gz").await.unwrap();
    assert!(matches!(dump(&setting, 3).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(valid(store).await, manifest);

    // The copy of the last revision is still there, and older than the data of this one.
    let old = store.get(&manifest.file).await.unwrap().unwrap().0;
    dump(&setting, 5).await.unwrap();
    store.delete("2017-06-03.json.gz").await.unwrap();
    assert!(store.create("2017-06-03.json.gz", old).await.unwrap());
    dump(&setting, 5).await.unwrap();
    assert_eq!(valid(store).await.revision, 2);
}

#[tokio::test]
async fn a_copy_older_than_the_data_is_made_again() {
    let setting = Setting::start().await;
    let store = &setting.store;
    let manifest = dump(&setting, 3).await.unwrap().manifest().clone();
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
    dump(&setting, 3).await.unwrap();
    assert_eq!(valid(store).await, manifest);
}

/// A damaged file is not copied over a good one.
#[tokio::test]
async fn damaged_data_is_written_again() {
    let setting = Setting::start().await;
    let store = &setting.store;
    let manifest = dump(&setting, 3).await.unwrap().manifest().clone();
    let mut data = store.get(&manifest.file).await.unwrap().unwrap().0.to_vec();
    data[12] ^= 1;
    let mut damage = store.writer(&manifest.file).await.unwrap();
    damage.write(data.into()).await.unwrap();
    damage.finish().await.unwrap();
    assert!(matches!(dump(&setting, 3).await.unwrap(), Outcome::Written(_)));
    assert_eq!(valid(store).await.revision, 2);
}

#[tokio::test]
async fn data_that_has_vanished_is_written_again() {
    let setting = Setting::start().await;
    let store = &setting.store;
    dump(&setting, 3).await.unwrap();
    store.delete("2017-06-03.r1.json.gz").await.unwrap();
    assert!(matches!(dump(&setting, 3).await.unwrap(), Outcome::Written(_)));
    assert_eq!(valid(store).await.revision, 2);
}

#[tokio::test]
async fn a_file_that_is_no_manifest_is_named_and_kept() {
    let setting = Setting::start().await;
    let store = &setting.store;
    assert!(
        store
            .create("2017-06-03.manifest.json", Bytes::from_static(b"{}"))
            .await
            .unwrap()
    );
    let error = dump(&setting, 3).await.unwrap_err();
    pin("a_file_that_is_no_manifest", error);
    assert_eq!(setting.names().await, ["2017-06-03.manifest.json"]);
}

/// While one writes version 4, another dumps version `second`, from start to end.
async fn overlapped(second: u32) -> (Setting, Outcome) {
    let setting = Setting::start().await;
    fill(&setting, 4).await;
    let source = of_day(&setting);
    let first = claimed(Attempt::begin(&setting.store, &source).await.unwrap()).await;
    dump(&setting, second).await.unwrap();
    assert_eq!(first.publish().await.unwrap(), None);
    let outcome = commit(&setting.store, &source).await.unwrap();
    (setting, outcome)
}

#[tokio::test]
async fn a_fresher_rival_wins() {
    let (setting, outcome) = overlapped(5).await;
    assert!(matches!(outcome, Outcome::Unchanged(manifest) if manifest.day_version == 5));
    let manifest = valid(&setting.store).await;
    assert_eq!((manifest.revision, manifest.day_version, manifest.readings), (2, 5, 5));
    assert_eq!(
        setting.names().await,
        [
            "2017-06-03.json.gz",
            "2017-06-03.manifest.json",
            "2017-06-03.r2.json.gz"
        ]
    );
}

#[tokio::test]
async fn an_equal_rival_wins() {
    let (setting, outcome) = overlapped(4).await;
    assert!(matches!(outcome, Outcome::Unchanged(manifest) if manifest.revision == 2));
    assert_eq!(setting.names().await.len(), 3);
    valid(&setting.store).await;
}

/// The rival has the higher number, so that the first starts over with a higher one still.
#[tokio::test]
async fn an_older_rival_is_overtaken() {
    let setting = Setting::start().await;
    let (store, source) = (&setting.store, of_day(&setting));
    fill(&setting, 5).await;
    let rival = Attempt::begin(store, &source).await.unwrap();
    fill(&setting, 8).await;
    let first = claimed(Attempt::begin(store, &source).await.unwrap()).await;
    let rival = claimed(rival).await.publish().await.unwrap();
    assert!(matches!(rival, Some(Outcome::Written(manifest)) if manifest.day_version == 5));
    assert_eq!(first.publish().await.unwrap(), None);
    let outcome = commit(store, &source).await.unwrap();
    assert!(matches!(outcome, Outcome::Written(manifest) if manifest.revision == 3));
    assert_eq!(valid(store).await.day_version, 8);
    let expected = [
        "2017-06-03.json.gz",
        "2017-06-03.manifest.json",
        "2017-06-03.r2.json.gz",
        "2017-06-03.r3.json.gz",
    ];
    assert_eq!(setting.names().await, expected);
}

/// The rival is done between the look at the manifest and the claim.
#[tokio::test]
async fn a_rival_that_is_done_before_the_claim_wins() {
    let setting = Setting::start().await;
    let (store, source) = (&setting.store, of_day(&setting));
    fill(&setting, 3).await;
    let first = Attempt::begin(store, &source).await.unwrap();
    dump(&setting, 4).await.unwrap();
    assert!(matches!(first.claim().await.unwrap(), Step::Overtaken));
    assert_eq!(valid(store).await.day_version, 4);
    assert_eq!(setting.names().await.len(), 3);
}

/// A rival commits the number that we are about to claim, and frees its claim before we make ours.
#[tokio::test]
async fn a_number_that_is_in_force_cannot_be_claimed() {
    let setting = Setting::start().await;
    let store = &setting.store;
    for version in 1..=3 {
        dump(&setting, version).await.unwrap();
    }
    let before = setting.names().await;
    assert_eq!(claim(store, Names::readings(day()), 1).await.unwrap(), None);
    assert_eq!(setting.names().await, before, "a claim was left behind");
    assert_eq!(claim(store, Names::readings(day()), 3).await.unwrap(), Some(4));
}

/// A rival commits and copies while our copy of the revision before is on its way.
#[tokio::test]
async fn the_slower_copy_of_an_older_revision_is_undone() {
    let setting = Setting::start().await;
    let store = &setting.store;
    let older = dump(&setting, 3).await.unwrap().manifest().clone();
    let newer = dump(&setting, 5).await.unwrap().manifest().clone();
    copy(store, &older).await.unwrap();
    assert_eq!(valid(store).await, newer);
}

/// However often a dumper is overtaken: what is in force is valid, and no claim is left.
#[tokio::test]
async fn rivals_without_end() {
    let setting = Setting::start().await;
    let source = of_day(&setting);
    for version in (2..=20).step_by(2) {
        fill(&setting, version - 1).await;
        let first = claimed(Attempt::begin(&setting.store, &source).await.unwrap()).await;
        dump(&setting, version).await.unwrap();
        assert_eq!(first.publish().await.unwrap(), None);
    }
    assert_eq!(valid(&setting.store).await.day_version, 20);
    assert!(setting.names().await.iter().all(|name| !name.ends_with(".claim")));
}

#[tokio::test]
async fn a_failure_while_reading_leaves_nothing() {
    let setting = Setting::start().await;
    fill(&setting, 3).await;
    let source = of_day(&setting);
    let first = claimed(Attempt::begin(&setting.store, &source).await.unwrap()).await;
    let ended = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
                 WHERE datname = current_database() AND state = 'idle in transaction'";
    assert_eq!(setting.number(ended).await, 1);
    let error = first.publish().await.unwrap_err();
    assert_eq!(error.to_string(), "read the day's readings");
    assert_eq!(setting.names().await, [""; 0]);
    dump(&setting, 3).await.unwrap();
    valid(&setting.store).await;
}

/// Several dumpers of a day that goes on changing, all at once, many times.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_at_once_end_in_one_valid_revision() {
    let setting = Arc::new(Setting::start().await);
    let seconds = Arc::new(AtomicU32::new(0));
    for round in 0..40 {
        let store = Store::open(&format!("memory:///dump-commit/race/{round}")).unwrap();
        race(&setting, &store, round, &seconds).await;
    }
    for round in 40..50 {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}", folder.path().display())).unwrap();
        race(&setting, &store, round, &seconds).await;
    }
}

async fn race(setting: &Arc<Setting>, store: &Store, round: u32, seconds: &Arc<AtomicU32>) {
    let start = Arc::new(Barrier::new(4));
    let dumpers: Vec<_> = (0..4)
        .map(|me| {
            let (setting, store) = (setting.clone(), store.clone());
            let (seconds, start) = (seconds.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                // Every other dumper sees a day that has just changed.
                if (me + round).is_multiple_of(2) {
                    write_second(&setting, seconds.fetch_add(1, Ordering::Relaxed)).await;
                }
                commit(&store, &of_day(&setting)).await.unwrap()
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
