//! Dumps of the journal: late posts, edits, deletes, crashes, races, restores.

use super::commit::{Attempt, Step};
use super::files::File;
use super::read::{Reader, verified};
use super::*;
use crate::restore::Restorer;
use crate::restore::journal::Restored;
use crate::tests::Setting;
use crate::{Day, Days, Dumper, Swept};
use entry::{Coordinates, Id, Moment, Record};
use std::io::Read;
use tokio_util::sync::CancellationToken;

const DAY: &str = "2017-06-03";

fn day(of: &str) -> Day {
    of.parse().unwrap()
}

/// An entry of this minute of a day, received two days later.
fn entry_of(of: &str, minute: i64, text: &str) -> Record {
    let moment = day(of).start() / 1000 + minute * 60_000;
    Record {
        id: Id::first_of(moment),
        user: "anna".to_owned(),
        device: None,
        text: text.to_owned(),
        hashtags: Vec::new(),
        positions: Vec::new(),
        timestamp: Moment(moment),
        received_at: "2017-06-05T08:00:00.123456Z".parse().unwrap(),
        edited_at: None,
        place: None,
    }
}

fn entry(minute: i64, text: &str) -> Record {
    entry_of(DAY, minute, text)
}

fn full(minute: i64) -> Record {
    Record {
        device: Some("lada".to_owned()),
        hashtags: vec!["Trip".to_owned(), "Žižek".to_owned()],
        positions: vec![-1, 9],
        edited_at: Some("2017-06-06T08:00:00.007Z".parse().unwrap()),
        place: Some(Coordinates {
            latitude: 45.123_456_789,
            longitude: -14.1,
        }),
        ..entry(minute, "ferry to #Žižek")
    }
}

async fn post(setting: &Setting, records: &[Record]) {
    let stored = entry::restore(&setting.pool, records).await.unwrap();
    assert_eq!(stored, records.len() as u64);
}

/// Edits an entry as the journal does.
async fn edit(setting: &Setting, record: &Record, text: &str) {
    let edit = format!(
        "UPDATE entry SET body = '{text}', edited = coalesce(edited, received) + interval '1 millisecond' WHERE id = '{}'",
        record.id.uuid()
    );
    setting.execute(&edit).await;
}

/// Deletes an entry as the journal does.
async fn delete(setting: &Setting, record: &Record) {
    let id = record.id.uuid();
    let delete = format!(
        "UPDATE entry SET device = NULL, body = '', words = '', latitude = NULL, longitude = NULL, deleted = now()
         WHERE id = '{id}';
         DELETE FROM entry_hashtag WHERE entry_id = '{id}'"
    );
    setting.execute(&delete).await;
}

async fn dump(setting: &Setting) -> Outcome {
    let dumper = Dumper::new(setting.pool.clone(), setting.store.clone());
    dumper.dump_journal(day(DAY)).await.unwrap()
}

/// Dumps the day, which has changed. Returns its revision.
async fn written(setting: &Setting) -> u64 {
    match dump(setting).await {
        Outcome::Written(manifest) => manifest.revision,
        other => panic!("not written: {other:?}"),
    }
}

async fn unchanged(setting: &Setting) -> bool {
    matches!(dump(setting).await, Outcome::Unchanged(_))
}

/// The entries of the dump in force.
async fn dumped(setting: &Setting) -> Vec<Record> {
    let manifest = verified(&setting.store, day(DAY)).await.unwrap().unwrap();
    let mut reader = Reader::open(&setting.store, &manifest).await.unwrap();
    let mut all = Vec::new();
    while let Some(records) = reader.next().await.unwrap() {
        all.extend(records);
    }
    all
}

async fn texts(setting: &Setting) -> Vec<String> {
    dumped(setting).await.into_iter().map(|record| record.text).collect()
}

/// Checks that the store holds nothing of the day's journal but this revision and its manifest.
async fn only(setting: &Setting, revision: u64) {
    let expected = [
        format!("{DAY}.journal.manifest.json"),
        format!("{DAY}.journal.r{revision}.json.gz"),
    ];
    assert_eq!(setting.names().await, expected);
}

/// An attempt of a dumper that sees these files.
async fn claimed<'a>(setting: &'a Setting, files: &'a [File]) -> Box<Attempt<'a>> {
    let begun = Attempt::begin(&setting.store, &setting.pool, day(DAY), files).await;
    match begun.unwrap() {
        Step::Claimed(attempt) => attempt,
        Step::Done(outcome) => panic!("there is nothing to write: {outcome:?}"),
        Step::Overtaken => panic!("another dumper was faster"),
    }
}

async fn restore(setting: &Setting) -> Restored {
    let restorer = Restorer::new(setting.store.clone(), setting.pool.clone(), 1000);
    restorer.restore_journal(Days::default(), |_| ()).await.unwrap()
}

/// All of the journal, with what finds its entries.
async fn tables(setting: &Setting) -> Vec<String> {
    let client = setting.pool.get().await.unwrap();
    let rows = "SELECT concat_ws(' ', id, author, device, text, hashtags, latitude, longitude, received, edited,
            (SELECT words FROM entry WHERE entry.id = journal.id),
            (SELECT string_agg(concat_ws(' ', hashtag.name, spelling, position, author.id = author_id), ',' ORDER BY position)
             FROM entry_hashtag JOIN hashtag ON hashtag.id = hashtag_id JOIN author ON author.name = journal.author
             WHERE entry_id = journal.id))
        FROM journal ORDER BY id";
    let rows = client.query(rows, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_journal_is_a_file_of_what_everybody_may_read() {
    let setting = Setting::start().await;
    assert_eq!(dump(&setting).await, Outcome::Nothing);
    assert_eq!(setting.names().await, [""; 0]);
    let all = [full(0), entry(1439, "good \"night\"\n🚗")];
    post(&setting, &all).await;
    post(
        &setting,
        &[
            entry_of("2017-06-02", 1439, "before"),
            entry_of("2017-06-04", 0, "after"),
        ],
    )
    .await;
    setting
        .execute("UPDATE entry SET request = 'a-key-' || id::text, digest = 'abc'")
        .await;
    let Outcome::Written(manifest) = dump(&setting).await else {
        panic!("not written");
    };
    assert_eq!(dumped(&setting).await, all);
    only(&setting, 1).await;
    assert_eq!((manifest.entries, manifest.revision), (2, 1));
    assert_eq!(manifest.first_timestamp.as_deref(), Some("2017-06-03T00:00:00Z"));
    assert_eq!(manifest.last_timestamp.as_deref(), Some("2017-06-03T23:59:00Z"));
    let (bytes, _) = setting.store.get(&manifest.file).await.unwrap().unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(
        !text.contains("a-key") && !text.contains("request") && !text.contains("digest"),
        "{text}"
    );
    assert_eq!(dump(&setting).await, Outcome::Unchanged(manifest));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_noticed_and_the_former_file_is_gone() {
    let setting = Setting::start().await;
    let (first, late, short) = (entry(5, "first"), entry(1, "late"), entry(7, "short"));
    post(&setting, std::slice::from_ref(&first)).await;
    assert_eq!(written(&setting).await, 1);
    post(&setting, std::slice::from_ref(&late)).await;
    assert_eq!(written(&setting).await, 2);
    assert_eq!(texts(&setting).await, ["late", "first"]);
    for (revision, text) in [(3, "second"), (4, "third")] {
        edit(&setting, &first, text).await;
        assert_eq!(written(&setting).await, revision);
        assert_eq!(texts(&setting).await, ["late", text]);
        only(&setting, revision).await;
    }
    // Back to what it was before: another edit.
    edit(&setting, &first, "second").await;
    assert_eq!(written(&setting).await, 5);
    delete(&setting, &late).await;
    assert_eq!(written(&setting).await, 6);
    assert_eq!(texts(&setting).await, ["second"]);
    // Gone before the dump saw it.
    post(&setting, std::slice::from_ref(&short)).await;
    delete(&setting, &short).await;
    assert_eq!(written(&setting).await, 7);
    delete(&setting, &first).await;
    assert_eq!(written(&setting).await, 8);
    assert_eq!(dumped(&setting).await, []);
    only(&setting, 8).await;
    assert!(unchanged(&setting).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_file_and_the_manifest_leaves_nothing_behind() {
    let setting = Setting::start().await;
    let (stays, goes) = (entry(1, "stays"), entry(2, "goes"));
    post(&setting, std::slice::from_ref(&stays)).await;
    assert_eq!(written(&setting).await, 1);
    post(&setting, std::slice::from_ref(&goes)).await;
    let attempt = claimed(&setting, &[File::Data(1)]).await;
    attempt.write().await.unwrap();
    drop(attempt);
    assert_eq!(texts(&setting).await, ["stays"]);
    delete(&setting, &goes).await;
    assert_eq!(written(&setting).await, 3);
    assert_eq!(texts(&setting).await, ["stays"]);
    only(&setting, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_manifest_leaves_nothing_behind() {
    let setting = Setting::start().await;
    let (stays, goes) = (entry(1, "stays"), entry(2, "goes"));
    post(&setting, &[stays, goes.clone()]).await;
    assert_eq!(written(&setting).await, 1);
    delete(&setting, &goes).await;
    let attempt = claimed(&setting, &[File::Data(1)]).await;
    let ours = attempt.write().await.unwrap();
    assert!(attempt.publish(&ours).await.unwrap());
    drop(attempt);
    assert_eq!(setting.names().await.len(), 4);
    assert!(unchanged(&setting).await);
    only(&setting, 2).await;
    assert_eq!(texts(&setting).await, ["stays"]);
}

/// What a dumper wrote that was killed meanwhile is no file yet. Its claim tells of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_the_file_is_written_leaves_nothing_behind() {
    let mut setting = Setting::start().await;
    let folder = tempfile::tempdir().unwrap();
    setting.store = blob::Store::open(&format!("file://{}", folder.path().display())).unwrap();
    post(&setting, &[entry(1, "stays")]).await;
    assert_eq!(written(&setting).await, 1);
    let left = |revision| folder.path().join(format!("{DAY}.journal.r{revision}.json.gz#1"));
    for revision in [2, 4] {
        // One more entry each time, so that there is something to write.
        post(&setting, &[entry(revision, "more")]).await;
        drop(claimed(&setting, &[File::Data(1)]).await);
        std::fs::write(left(revision), "a secret").unwrap();
        assert_eq!(u64::try_from(revision).unwrap() + 1, written(&setting).await);
        assert!(!left(revision).exists());
    }
    // A dumper that was killed before it had deleted what is below.
    std::fs::write(left(4), "a secret").unwrap();
    let claim = crate::manifest::Names::journal(day(DAY)).claim(4);
    assert!(setting.store.create(&claim, bytes::Bytes::new()).await.unwrap());
    assert!(unchanged(&setting).await);
    assert!(!left(4).exists());
    only(&setting, 5).await;
}

/// The file of a slow dumper, which may have died, is above the one in force.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_dumper_neither_comes_into_force_nor_leaves_its_file() {
    let setting = Setting::start().await;
    let (stays, goes) = (entry(1, "stays"), entry(2, "goes"));
    post(&setting, &[stays, goes]).await;
    let fast = claimed(&setting, &[]).await;
    let slow = claimed(&setting, &[]).await;
    let old = slow.write().await.unwrap();
    let now = fast.write().await.unwrap();
    assert!(fast.publish(&now).await.unwrap());
    assert_eq!((now.revision, old.revision), (1, 2));
    // The day has not changed, and is written all the same.
    assert_eq!(written(&setting).await, 3);
    only(&setting, 3).await;
    assert!(!slow.publish(&old).await.unwrap());
    assert_eq!(texts(&setting).await, ["stays", "goes"]);
    assert!(unchanged(&setting).await);
    only(&setting, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dumpers_at_once_end_in_one_file_of_the_newest_content() {
    let setting = Setting::start().await;
    let all: Vec<Record> = (0..20).map(|minute| entry(minute, "text")).collect();
    post(&setting, &all[..1]).await;
    let posting = async {
        for record in &all[1..] {
            post(&setting, std::slice::from_ref(record)).await;
        }
    };
    let dumping = async || {
        for _ in 0..5 {
            dump(&setting).await;
        }
    };
    tokio::join!(posting, dumping(), dumping());
    let manifest = match dump(&setting).await {
        Outcome::Written(manifest) | Outcome::Unchanged(manifest) => manifest,
        Outcome::Nothing => panic!("nothing was dumped"),
    };
    assert_eq!(dumped(&setting).await, all);
    only(&setting, manifest.revision).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_day_with_entries_is_swept() {
    let setting = Setting::start().await;
    let days = ["2017-06-01", "2017-06-03", "2019-01-01"];
    let all: Vec<Record> = days.iter().map(|of| entry_of(of, 1, of)).collect();
    post(&setting, &all).await;
    let dumper = Dumper::new(setting.pool.clone(), setting.store.clone());
    let stop = CancellationToken::new();
    let sweep = async |until: &str| {
        let Swept {
            dumped,
            current,
            failed,
        } = dumper.dump_stale_journal(day(until), &stop).await.unwrap();
        (dumped, current, failed)
    };
    assert_eq!(sweep("2018-12-31").await, (2, 0, 0));
    assert_eq!(sweep("2019-01-01").await, (1, 2, 0));
    edit(&setting, &all[0], "edited").await;
    assert_eq!(sweep("2019-01-01").await, (1, 2, 0));
    // A day that fails does not hold up the others.
    setting.store.delete("2017-06-01.journal.r2.json.gz").await.unwrap();
    delete(&setting, &all[1]).await;
    assert_eq!(sweep("2019-01-01").await, (1, 1, 1));
    stop.cancel();
    let stopped = dumper.dump_stale_journal(day(DAY), &stop).await.unwrap_err();
    assert!(stopped.to_string().contains("signal"), "{stopped:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_journal_equals_the_lost_one() {
    let lost = Setting::start().await;
    let many = (10..1210).map(|minute| entry(minute, "a #word"));
    let all: Vec<Record> = [full(0), full(1)].into_iter().chain(many).collect();
    post(&lost, &all).await;
    delete(&lost, &all[1]).await;
    written(&lost).await;
    let expected = tables(&lost).await;
    assert_eq!(expected.len(), 1201);
    let new = Setting::start().await.over(&lost);
    let counts = |stored, there| Restored {
        days: 1,
        failed: 0,
        stored,
        there,
    };
    assert_eq!(restore(&new).await, counts(1201, 0));
    assert_eq!(tables(&new).await, expected);
    assert_eq!(restore(&new).await, counts(0, 1201));
    assert_eq!(tables(&new).await, expected);
    // Its own dump holds the same.
    let before = dumped(&new).await;
    written(&new).await;
    assert_eq!(dumped(&new).await, before);
    assert_eq!(new.number("SELECT count(*) FROM published").await, 0);
}

/// Where no readings were ever dumped.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_alone_is_restored() {
    let setting = Setting::start().await;
    let restorer = Restorer::new(setting.store.clone(), setting.pool.clone(), 1000);
    assert!(restorer.check(Days::default(), true).await.is_err());
    post(&setting, &[entry(1, "a")]).await;
    assert_eq!(written(&setting).await, 1);
    assert!(restorer.check(Days::default(), true).await.is_ok());
    assert!(restorer.check(Days::default(), false).await.is_err());
    let readings = restorer.restore(Days::default(), |_| ()).await.unwrap();
    assert_eq!((readings.days, readings.failed), (0, 0));
    setting.execute("TRUNCATE entry, entry_hashtag").await;
    assert_eq!(restore(&setting).await.stored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_keeps_later_edits_and_deletes() {
    let setting = Setting::start().await;
    let (edited, deleted) = (full(1), full(2));
    post(&setting, &[edited.clone(), deleted.clone()]).await;
    written(&setting).await;
    edit(&setting, &edited, "later").await;
    delete(&setting, &deleted).await;
    let expected = tables(&setting).await;
    let Restored { stored, there, .. } = restore(&setting).await;
    assert_eq!((stored, there), (0, 2));
    assert_eq!(tables(&setting).await, expected);
    // A database that was set back gets the later edit, with its hashtags.
    let later = Record {
        edited_at: Some("2017-06-07T00:00:00Z".parse().unwrap()),
        hashtags: vec!["New".to_owned()],
        positions: vec![-1],
        ..full(1)
    };
    assert_eq!(entry::restore(&setting.pool, &[later]).await.unwrap(), 1);
    written(&setting).await;
    let back = Setting::start().await.over(&setting);
    post(&back, &[edited]).await;
    let Restored { stored, there, .. } = restore(&back).await;
    assert_eq!((stored, there), (1, 0));
    assert_eq!(tables(&back).await, tables(&setting).await);
}

/// A new database must not overwrite, nor delete, what only the dump has.
#[tokio::test(flavor = "multi_thread")]
async fn entries_that_the_database_never_had_stay() {
    let lost = Setting::start().await;
    let (old, both) = (full(1), full(3));
    post(&lost, &[old.clone(), both.clone()]).await;
    edit(&lost, &both, "edited before the loss").await;
    written(&lost).await;
    let new = Setting::start().await.over(&lost);
    // Of the day, it has nothing.
    assert!(unchanged(&new).await);
    let fresh = entry(2, "fresh");
    post(&new, &[fresh, both]).await;
    written(&new).await;
    let expected = ["ferry to #Žižek", "fresh", "edited before the loss"];
    assert_eq!(texts(&new).await, expected);
    assert!(unchanged(&new).await);
    // Once restored, its author may delete it, and it is gone.
    restore(&new).await;
    delete(&new, &old).await;
    written(&new).await;
    assert_eq!(texts(&new).await, expected[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_dump_is_kept_and_not_restored() {
    let setting = Setting::start().await;
    post(&setting, &[entry(1, "one")]).await;
    written(&setting).await;
    let (file, manifest) = (
        format!("{DAY}.journal.r1.json.gz"),
        format!("{DAY}.journal.manifest.json"),
    );
    let (bytes, _) = setting.store.get(&file).await.unwrap().unwrap();
    setting.store.delete(&file).await.unwrap();
    let mut damaged = bytes.to_vec();
    damaged[20] ^= 1;
    assert!(setting.store.create(&file, damaged.into()).await.unwrap());
    let new = Setting::start().await.over(&setting);
    let Restored { days, failed, .. } = restore(&new).await;
    assert_eq!((days, failed), (0, 1));
    assert_eq!(new.number("SELECT count(*) FROM entry").await, 0);
    post(&setting, &[entry(2, "two")]).await;
    let dumper = Dumper::new(setting.pool.clone(), setting.store.clone());
    let error = dumper.dump_journal(day(DAY)).await.unwrap_err();
    let said = format!("{error:#}");
    assert!(
        said.contains(&manifest) && said.contains("it is damaged"),
        "what is to be done: {said}"
    );
    assert_eq!(setting.names().await, [manifest.clone(), file]);
    setting.store.delete(&manifest).await.unwrap();
    assert_eq!(written(&setting).await, 2);
    only(&setting, 2).await;
    assert_eq!(texts(&setting).await, ["one", "two"]);
}
