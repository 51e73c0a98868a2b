//! The days that a sweep dumps, and events during the sweep.

use super::{Setting, day, pin};
use crate::Swept;
use crate::postgres::days_after;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

fn swept(dumped: u64, current: u64, failed: u64) -> Swept {
    Swept {
        dumped,
        current,
        failed,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_day_that_changed_or_was_never_dumped_but_no_later_one() {
    let setting = Setting::start().await;
    for day in 1..=8 {
        setting
            .write(&[("lada", "speed", &format!("2017-06-0{day}T12:00:00Z"), 1.0)])
            .await;
    }
    assert_eq!(setting.sweep("2017-06-07").await, swept(7, 0, 0));
    assert!(!setting.names().await.iter().any(|name| name.contains("2017-06-08")));
    assert_eq!(setting.sweep("2017-06-07").await, swept(0, 7, 0));

    let late = [
        ("lada", "speed", "2017-06-02T13:00:00Z", 2.0),
        ("lada", "speed", "2017-06-08T13:00:00Z", 2.0),
        ("niva", "speed", "2017-05-01T13:00:00Z", 2.0),
    ];
    setting.write(&late).await;
    assert_eq!(setting.sweep("2017-06-07").await, swept(2, 6, 0));
    assert_eq!(setting.dumped("2017-06-02").await.len(), 2);
    assert_eq!(setting.manifest("2017-06-02").await.revision, 2);
    assert_eq!(setting.dumped("2017-05-01").await.len(), 1);
    // The last day is dumped even without readings.
    assert_eq!(setting.sweep("2017-06-10").await, swept(2, 8, 0));
    assert_eq!(setting.manifest("2017-06-10").await.readings, 0);
    assert_eq!(setting.sweep("2017-06-10").await, swept(0, 10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database() {
    let setting = Setting::start().await;
    assert_eq!(setting.sweep("2017-06-07").await, swept(1, 0, 0));
    assert_eq!(setting.sweep("2017-06-07").await, swept(0, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_where_the_last_one_ended() {
    let setting = Setting::start().await;
    setting
        .execute("INSERT INTO day SELECT day, 1 FROM generate_series(date '2017-06-01', '2017-06-09', '1 day') AS day")
        .await;
    for until in ["2017-06-03", "2017-06-05", "2017-06-06", "2017-06-09", "2017-06-20"] {
        let (mut last, mut found) = (None, Vec::new());
        loop {
            let page = days_after(&setting.pool, last, day(until), 3).await.unwrap();
            last = page.last().map(|(day, _)| *day);
            found.extend(page.iter().map(|(day, _)| day.to_string()));
            if page.len() < 3 {
                break;
            }
        }
        let last: u64 = until[8..].parse().unwrap();
        let expected: Vec<String> = (1..=last.min(9)).map(|day| format!("2017-06-0{day}")).collect();
        assert_eq!(found, expected);
        let all = setting.sweep(until).await;
        assert_eq!(all.dumped + all.current, last.min(9) + u64::from(last > 9));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_fails_does_not_hinder_the_others() {
    let setting = Setting::start().await;
    for day in ["2017-06-01", "2017-06-02", "2017-06-03"] {
        setting
            .write(&[("lada", "speed", &format!("{day}T12:00:00Z"), 1.0)])
            .await;
    }
    setting
        .execute("UPDATE reading SET value = 'NaN' WHERE timestamp = '2017-06-01T12:00:00Z'")
        .await;
    assert!(
        setting
            .store
            .create("2017-06-02.manifest.json", Bytes::from_static(b"{}"))
            .await
            .unwrap()
    );
    assert_eq!(setting.sweep("2017-06-03").await, swept(1, 0, 2));
    setting.execute("UPDATE reading SET value = 1").await;
    setting.store.delete("2017-06-02.manifest.json").await.unwrap();
    assert_eq!(setting.sweep("2017-06-03").await, swept(2, 1, 0));
}

/// A lost store fails every day; the sweep need not try a hundred thousand of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_ends_it() {
    let setting = Setting::start().await;
    setting
        .execute("INSERT INTO day SELECT day, 1 FROM generate_series(date '2017-06-01', '2017-06-09', '1 day') AS day")
        .await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/dumps", folder.path().display());
    let gone = crate::Dumper::new(setting.pool.clone(), blob::Store::open(&url).unwrap());
    std::fs::remove_dir_all(folder.path().join("dumps")).unwrap();
    std::fs::write(folder.path().join("dumps"), "no folder").unwrap();
    let error = gone.dump_stale(day("2017-06-09"), &CancellationToken::new()).await;
    let error = error.unwrap_err().to_string();
    pin("a_store_that_is_gone", error);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_day_is_begun_after_the_end_was_asked_for() {
    let setting = Setting::start().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let error = setting.dumper.dump_stale(day("2017-06-09"), &stop).await.unwrap_err();
    pin("a_sweep_that_is_stopped", error);
    assert_eq!(setting.names().await, [""; 0]);
}

/// The manifest's version does not cover uncommitted readings, however long ago they were written.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_began_before_the_dump_and_commits_after_it() {
    let setting = Setting::start().await;
    setting.write(&[("lada", "speed", "2017-06-01T12:00:00Z", 1.0)]).await;
    let mut writer = setting.pool.get().await.unwrap();
    let slow = writer.transaction().await.unwrap();
    let steps = "
        INSERT INTO reading SELECT id, '2017-06-01T13:00:00Z', 2 FROM series;
        UPDATE day SET version = version + 1 WHERE day = '2017-06-01'";
    slow.batch_execute(steps).await.unwrap();
    assert_eq!(setting.sweep("2017-06-01").await, swept(1, 0, 0));
    let manifest = setting.manifest("2017-06-01").await;
    assert_eq!((manifest.day_version, manifest.readings), (1, 1));
    slow.commit().await.unwrap();
    assert_eq!(setting.sweep("2017-06-01").await, swept(1, 0, 0));
    let manifest = setting.manifest("2017-06-01").await;
    assert_eq!((manifest.day_version, manifest.readings), (2, 2));
    assert_eq!(setting.sweep("2017-06-01").await, swept(0, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_once_end_in_one_valid_revision_of_each_day() {
    let setting = Setting::start().await;
    for day in 1..=9 {
        setting
            .write(&[("lada", "speed", &format!("2017-06-0{day}T12:00:00Z"), 1.0)])
            .await;
    }
    let (one, two, three) = tokio::join!(
        setting.sweep("2017-06-09"),
        setting.sweep("2017-06-09"),
        setting.sweep("2017-06-09")
    );
    for all in [one, two, three] {
        assert_eq!((all.dumped + all.current, all.failed), (9, 0));
    }
    assert_eq!(one.dumped + two.dumped + three.dumped, 9, "a day was written twice");
    for day in 1..=9 {
        assert_eq!(setting.dumped(&format!("2017-06-0{day}")).await.len(), 1);
    }
    // A manifest, a revision and its copy each; no claims.
    assert_eq!(setting.names().await.len(), 27, "{:?}", setting.names().await);
}

/// Interrupted anywhere, the next run ends with valid dumps of all days.
#[tokio::test(flavor = "multi_thread")]
async fn broken_off_and_begun_again() {
    let setting = Setting::start().await;
    for day in 1..=9 {
        setting
            .write(&[("lada", "speed", &format!("2017-06-0{day}T12:00:00Z"), 1.0)])
            .await;
    }
    for round in 0..20 {
        let some = std::time::Duration::from_micros(500 * (1 + round));
        let _broken_off = tokio::time::timeout(some, setting.sweep("2017-06-09")).await;
    }
    let all = setting.sweep("2017-06-09").await;
    assert_eq!((all.dumped + all.current, all.failed), (9, 0));
    for day in 1..=9 {
        assert_eq!(setting.dumped(&format!("2017-06-0{day}")).await.len(), 1);
    }
}
