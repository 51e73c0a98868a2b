//! What retention drops, what keeps a month, and that no reading is lost in between.

use super::{EARLY, Setting, day, look, message, pin};
use crate::postgres::OfDay;
use crate::{Dumper, Retention};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::sync::CancellationToken;

/// Two days of June and one of July.
const SUMMER: [(&str, &str, &str, f64); 5] = [
    ("lada", "fuel", "2017-06-03T12:00:00Z", 50.0),
    ("lada", "speed", "2017-06-03T12:00:00Z", 1.0),
    ("lada", "speed", "2017-06-03T12:00:01Z", 2.0),
    ("lada", "speed", "2017-06-30T23:59:59.999999Z", 3.0),
    ("niva", "speed", "2017-07-01T00:00:00Z", 4.0),
];

async fn dumped_summer() -> Setting {
    let setting = Setting::start().await;
    setting.write(&SUMMER).await;
    setting.sweep("2017-07-31").await;
    setting
}

#[test]
fn a_retention_is_a_number_of_days() {
    assert_eq!("90d".parse::<Retention>().unwrap().to_string(), "90d");
    for bad in ["", "d", "0d", "-1d", "90", "3m", "1.5d", "999999999d", "90 d"] {
        assert!(bad.parse::<Retention>().is_err(), "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_goes_once_all_of_it_is_old_enough() {
    let setting = dumped_summer().await;
    let latest = "SELECT sum(extract(epoch FROM latest_timestamp))::int8 FROM series";
    let before = setting.number(latest).await;
    assert_eq!(setting.retain("2017-06-30", false).await, [""; 0]);
    let months = setting.retain("2017-07-31", false).await;
    pin("a_month_goes", months.join("\n"));
    assert_eq!((setting.rows().await, setting.partitions().await), (1, 1));
    assert_eq!(setting.number(latest).await, before);
    let recorded =
        "SELECT count(*) FROM dropped_day WHERE day IN ('2017-06-03', '2017-06-30') AND version = 1 AND revision = 1";
    assert_eq!(setting.number(recorded).await, 2);
    // The days' versions go on, and their dumps are up to date.
    assert_eq!(setting.number("SELECT count(*) FROM day").await, 3);
    assert_eq!(setting.sweep("2017-07-31").await.dumped, 0);
    assert_eq!(setting.retain("2017-08-01", false).await.len(), 1);
    assert_eq!((setting.rows().await, setting.partitions().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_go_and_changes_nothing() {
    let setting = dumped_summer().await;
    setting.write(&[("lada", "speed", "2017-07-01T13:00:00Z", 9.0)]).await;
    let before = (setting.names().await, setting.rows().await);
    let months = setting.retain("2017-08-01", true).await;
    pin("a_dry_run", months.join("\n"));
    assert_eq!((setting.names().await, setting.rows().await), before);
    assert_eq!(setting.number("SELECT count(*) FROM dropped_day").await, 0);
}

/// A clock that jumps ahead makes months old for an hour; only a look a day later believes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_month_goes_only_if_it_was_too_old_a_day_ago_as_well() {
    let setting = dumped_summer().await;
    // Months before June are too old, and with each day on the clock a day more.
    let retain = async |process, days, dry_run| {
        let look = look(process, days);
        setting.retain_at(look, "2017-06-01", dry_run).await
    };
    let stay = |months: &[String], expected: usize| {
        assert_eq!(months.len(), expected, "{months:?}");
        for month in months {
            assert!(month.contains(": stays: ") && month.contains(EARLY), "{months:?}");
        }
    };
    stay(&retain(1, 0, false).await, 0);
    for process in 2..4 {
        // Ahead, and right again.
        for dry_run in [true, false] {
            stay(&retain(process, 400, dry_run).await, 2);
        }
        stay(&retain(process, 1, false).await, 0);
    }
    stay(&retain(4, 31, false).await, 1);
    assert_eq!(setting.rows().await, 5);
    let months = retain(5, 32, false).await;
    assert!(
        months.len() == 1 && months[0].starts_with("2017-06: goes"),
        "{months:?}"
    );
}

/// Every fault of a single day's dump keeps the month, and is reported; once it is fixed, the month goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_cannot_be_relied_upon_keeps_the_month() {
    let setting = dumped_summer().await;
    let manifest = setting.manifest("2017-06-30").await;
    let (data, _) = setting.store.get(&manifest.file).await.unwrap().unwrap();
    let name = "2017-06-30.manifest.json";
    let (text, _) = setting.store.get(name).await.unwrap().unwrap();
    let put = async |name: &str, bytes: Bytes| {
        setting.store.delete(name).await.unwrap();
        assert!(setting.store.create(name, bytes).await.unwrap());
    };
    let stays = async |name: &str| {
        // A dry run counts the readings in any case.
        let dry = setting.retain("2017-07-31", true).await.join("\n");
        let real = setting.retain("2017-07-31", false).await.join("\n");
        pin(name, format!("a dry run:\n{dry}\n\na run:\n{real}"));
        assert_eq!(setting.rows().await, 5, "{name}");
    };
    let mut flipped = data.to_vec();
    flipped[data.len() / 2] ^= 1;
    put(&manifest.file, flipped.into()).await;
    stays("a_flipped_bit_keeps_the_month").await;
    put(&manifest.file, data.slice(..data.len() - 1)).await;
    stays("a_cut_file_keeps_the_month").await;
    setting.store.delete(&manifest.file).await.unwrap();
    stays("a_missing_file_keeps_the_month").await;
    put(&manifest.file, data).await;

    // Fewer readings, in an otherwise valid dump.
    let fewer = setting.lines("2017-06-30.json.gz").await.lines().count() as u64 - 1;
    let fewer = String::from_utf8(text.to_vec())
        .unwrap()
        .replace("\"readings\":1,", &format!("\"readings\":{fewer},"));
    put(name, fewer.into()).await;
    stays("fewer_readings_keep_the_month").await;
    put(name, Bytes::from_static(b"{}")).await;
    stays("a_bad_manifest_keeps_the_month").await;
    setting.store.delete(name).await.unwrap();
    stays("a_missing_manifest_keeps_the_month").await;
    put(name, text).await;

    // Readings inserted by hand, on a day of their own.
    setting
        .execute("INSERT INTO reading SELECT id, '2017-06-20T12:00:00Z', 1 FROM series LIMIT 1")
        .await;
    let months = setting.retain("2017-07-31", false).await;
    pin("a_row_by_hand_keeps_the_month", months.join("\n"));
    setting
        .execute("DELETE FROM reading WHERE timestamp = '2017-06-20T12:00:00Z'")
        .await;

    setting.retain("2017-07-31", false).await;
    assert_eq!(setting.rows().await, 1);
}

/// A late reading for a dropped day: the next revision equals one of the whole day.
#[tokio::test(flavor = "multi_thread")]
async fn late_readings_of_a_dropped_day_are_merged_with_its_dump() {
    let setting = dumped_summer().await;
    setting.retain("2017-08-01", false).await;
    assert_eq!(setting.rows().await, 0);
    // The same store, which remembers a dropped partition; before, between and after.
    let late = [
        ("Zis", "speed", "2017-06-03T00:00:00Z", 1.5),
        ("lada", "fuel", "2017-06-03T12:00:00.000001Z", 1.5),
        ("lada", "speed", "2017-06-03T12:00:00.500Z", 1.5),
        ("lada", "speed", "2017-06-03T12:00:02Z", 1.5),
        ("volga", "fuel", "2017-06-03T12:00:00Z", 1.5),
    ];
    assert_eq!(setting.write(&late).await.persisted, 5);
    assert_eq!(setting.sweep("2017-07-31").await.dumped, 1);

    let whole = Setting::start().await;
    whole.write(&SUMMER).await;
    whole.write(&late).await;
    whole.sweep("2017-07-31").await;
    assert_eq!(
        setting.lines("2017-06-03.json.gz").await,
        whole.lines("2017-06-03.json.gz").await
    );
    let (found, expected) = (setting.manifest("2017-06-03").await, whole.manifest("2017-06-03").await);
    assert_eq!((&found.sha256, found.readings, found.devices), (&expected.sha256, 8, 3));
    assert_eq!(found.day_version, 2);

    // Once more, upon the merged one, and the month goes again.
    assert!(setting.retain("2017-08-01", false).await[0].starts_with("2017-06: goes: 5 readings"));
    setting.write(&[("lada", "speed", "2017-06-03T12:00:03Z", 1.5)]).await;
    setting.sweep("2017-07-31").await;
    assert_eq!(setting.dumped("2017-06-03").await.len(), 9);
    assert_eq!(setting.dumped("2017-06-30").await.len(), 1);
}

/// The value committed first stays, although the database has forgotten it.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_a_dropped_reading_changes_nothing() {
    let setting = dumped_summer().await;
    setting.retain("2017-08-01", false).await;
    setting.write(&[("lada", "speed", "2017-06-03T12:00:00Z", 99.0)]).await;
    assert_eq!(setting.sweep("2017-07-31").await.dumped, 0);
    let manifest = setting.manifest("2017-06-03").await;
    assert_eq!((manifest.revision, manifest.readings, manifest.day_version), (1, 3, 2));
    assert!(setting.dumped("2017-06-03").await.values().all(|value| *value != 99.0));
}

/// A replayed file is stored in the database again, but changes neither dump nor revision.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_after_a_drop_gives_no_revision_and_goes_again() {
    let setting = dumped_summer().await;
    setting.retain("2017-08-01", false).await;
    let before = setting.names().await;
    assert_eq!(setting.write(&SUMMER).await.persisted, 5);
    assert_eq!(setting.sweep("2017-07-31").await.dumped, 0);
    assert_eq!(setting.names().await, before);
    for of in ["2017-06-03", "2017-06-30", "2017-07-01"] {
        let manifest = setting.manifest(of).await;
        assert_eq!((manifest.revision, manifest.day_version), (1, 2), "{of}");
    }
    assert_eq!(setting.retain("2017-08-01", false).await.len(), 2);
    assert_eq!(setting.rows().await, 0);
    assert_eq!(setting.dumped("2017-06-03").await.len(), 3);
}

/// Without the dump that holds the rest, the late readings alone must not pass for the day.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_day_needs_its_dump() {
    let setting = dumped_summer().await;
    setting.retain("2017-08-01", false).await;
    setting.write(&[("lada", "speed", "2017-06-03T13:00:00Z", 1.0)]).await;
    let folder = tempfile::tempdir().unwrap();
    let other = blob::Store::open(&format!("file://{}", folder.path().display())).unwrap();
    let elsewhere = Dumper::new(setting.pool.clone(), other);
    let error = elsewhere.dump(day("2017-06-03")).await.unwrap_err();
    pin("a_dropped_day_without_its_dump", error);
    let swept = elsewhere
        .dump_stale(day("2017-06-30"), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!((swept.dumped, swept.failed), (0, 2));

    // A damaged dump is never built upon.
    let manifest = setting.manifest("2017-06-03").await;
    let (data, _) = setting.store.get(&manifest.file).await.unwrap().unwrap();
    let mut flipped = data.to_vec();
    flipped[data.len() / 2] ^= 1;
    for (name, bad) in [
        ("a_dropped_day_whose_dump_has_a_flipped_bit", Some(Bytes::from(flipped))),
        ("a_dropped_day_whose_dump_is_cut", Some(data.slice(..data.len() - 1))),
        ("a_dropped_day_whose_dump_is_gone", None),
    ] {
        setting.store.delete(&manifest.file).await.unwrap();
        if let Some(bad) = bad {
            assert!(setting.store.create(&manifest.file, bad).await.unwrap());
        }
        let error = setting.dumper.dump(day("2017-06-03")).await.unwrap_err();
        pin(name, format!("{error:#}"));
        assert_eq!(setting.manifest("2017-06-03").await, manifest);
    }
    setting.store.delete(&manifest.file).await.unwrap();
    assert!(setting.store.create(&manifest.file, data).await.unwrap());
    setting.dumper.dump(day("2017-06-03")).await.unwrap();
    assert_eq!(setting.dumped("2017-06-03").await.len(), 4);
}

/// A writer in the month that is to go: retention waits for it briefly, and its readings keep the month.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_was_first_keeps_the_month() {
    let setting = dumped_summer().await;
    let mut writer = setting.pool.get().await.unwrap();
    let slow = writer.transaction().await.unwrap();
    slow.batch_execute("INSERT INTO reading SELECT id, '2017-06-03T15:00:00Z', 2 FROM series LIMIT 1")
        .await
        .unwrap();
    let months = setting.retain("2017-07-31", false).await;
    pin("a_writer_keeps_the_month", months.join("\n"));

    // It commits while retention waits for the lock.
    let retaining = setting.retain("2017-07-31", false);
    let committing = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'reading_2017_06'::regclass";
        testutil::poll(std::time::Duration::from_secs(10), async || {
            (setting.number(waits).await == 1).then_some(())
        })
        .await;
        slow.batch_execute("UPDATE day SET version = version + 1 WHERE day = '2017-06-03'")
            .await
            .unwrap();
        slow.commit().await.unwrap();
    };
    let (months, ()) = tokio::join!(retaining, committing);
    pin("a_change_keeps_the_month", months.join("\n"));
    assert_eq!(setting.rows().await, 6);
    setting.sweep("2017-07-31").await;
    setting.retain("2017-07-31", false).await;
    assert_eq!(setting.rows().await, 1);
    assert_eq!(setting.dumped("2017-06-03").await.len(), 4);
}

/// A writer waits for the lock under which its month goes: its readings end up in the next partition.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_waits_for_the_drop_writes_into_the_next_partition() {
    let setting = Arc::new(dumped_summer().await);
    let mut client = setting.pool.get().await.unwrap();
    let retention = client.transaction().await.unwrap();
    let lock = "LOCK TABLE reading_2017_06 IN SHARE ROW EXCLUSIVE MODE";
    retention.batch_execute(lock).await.unwrap();
    let writers: Vec<_> = ["a", "b", "c", "lada"]
        .into_iter()
        .map(|device| {
            let setting = setting.clone();
            tokio::spawn(async move {
                let late = [(device, "speed", "2017-06-03T15:00:00Z", 7.0)];
                setting.write(&late).await.persisted
            })
        })
        .collect();
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'reading_2017_06'::regclass";
    testutil::poll(std::time::Duration::from_secs(10), async || {
        (setting.number(waits).await == 4).then_some(())
    })
    .await;
    let steps = "
        INSERT INTO dropped_day SELECT day, version, 1 FROM day WHERE day < '2017-07-01';
        DROP TABLE reading_2017_06";
    retention.batch_execute(steps).await.unwrap();
    retention.commit().await.unwrap();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), 1);
    }
    setting.sweep("2017-07-31").await;
    assert_eq!(setting.dumped("2017-06-03").await.len(), 7);
}

/// A running dump keeps every month: otherwise its snapshot would lose a table.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_under_way_keeps_the_month() {
    let setting = dumped_summer().await;
    let snapshot = OfDay {
        pool: &setting.pool,
        day: day("2017-06-03"),
    }
    .snapshot(None)
    .await
    .unwrap();
    let months = setting.retain("2017-07-31", false).await;
    pin("a_dump_keeps_the_month", months.join("\n"));
    drop(snapshot);
    let gone = testutil::poll(std::time::Duration::from_secs(10), async || {
        let months = setting.retain("2017-07-31", false).await;
        months[0].contains("goes").then_some(months)
    });
    gone.await;
}

/// Writers, dumpers and retention at once, all at old days, for a while. In the end every reading is once in
/// its day's dump.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_while_everything_happens_at_once() {
    const ROUNDS: u32 = 120;
    let setting = Arc::new(Setting::start().await);
    let done = CancellationToken::new();
    let gone = Arc::new(AtomicUsize::new(0));
    let retentions: Vec<_> = (0..2)
        .map(|_| {
            let (setting, done, gone) = (setting.clone(), done.clone(), gone.clone());
            tokio::spawn(async move {
                while !done.is_cancelled() {
                    setting.sweep("2017-07-31").await;
                    let months = setting.retain("2017-08-01", false).await;
                    let dropped = months.iter().filter(|month| month.contains("goes"));
                    gone.fetch_add(dropped.count(), Ordering::SeqCst);
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (setting, gone) = (setting.clone(), gone.clone());
            tokio::spawn(async move {
                let device = format!("d{writer}");
                for round in 0..ROUNDS {
                    let (hour, minute) = (round / 60, round % 60);
                    let times: Vec<String> = (0..4)
                        .map(|at| {
                            let (month, day) = (6 + (round + at) % 2, 1 + (round * 7 + at) % 4);
                            format!("2017-0{month}-0{day}T{hour:02}:{minute:02}:0{at}Z")
                        })
                        .collect();
                    let readings: Vec<_> = times
                        .iter()
                        .map(|time| (&*device, "speed", &**time, f64::from(round)))
                        .collect();
                    // Like a bus: a failed message comes again, and so do some stored ones.
                    for _ in 0..=round % 2 {
                        while setting.readings.write(&[message(&readings)]).await.is_err() {}
                    }
                    // Now and then, retention drops a month.
                    if round % 20 == 19 {
                        let before = gone.load(Ordering::SeqCst);
                        let more = async || (gone.load(Ordering::SeqCst) > before).then_some(());
                        testutil::poll(std::time::Duration::from_secs(60), more).await;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.cancel();
    for retention in retentions {
        retention.await.unwrap();
    }
    setting.sweep("2017-07-31").await;
    let mut found = BTreeMap::new();
    for name in setting.names().await {
        if let Some(day) = name.strip_suffix(".manifest.json") {
            found.extend(setting.dumped(day).await);
        }
    }
    assert_eq!(found.len(), 3 * ROUNDS as usize * 4);
    let expected = |timestamp: i64| f64::from(i32::try_from(timestamp / 60_000_000 % 1440).unwrap());
    assert!(
        found
            .iter()
            .all(|((.., timestamp), value)| *value == expected(*timestamp))
    );
}
