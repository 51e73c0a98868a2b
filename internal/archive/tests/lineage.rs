//! Dumps over a database that did not write them: a new one, or one set back. Published readings stay
//! published, with any versions of the days.

use super::{Setting, Written, day, pin};
use crate::restore::Restorer;
use crate::{Days, Swept};

const DAY: &str = "2017-06-01";

/// A reading of that day, for tests that count.
fn reading(minute: &str) -> [Written<'_>; 1] {
    [("lada", "speed", minute, 1.0)]
}

/// A database in which that day has these readings, in as many transactions.
async fn holding(minutes: &[&str]) -> Setting {
    let setting = Setting::start().await;
    for minute in minutes {
        setting.write(&reading(minute)).await;
    }
    setting
}

/// The minutes of the readings in a day's dump.
async fn minutes(setting: &Setting) -> Vec<i64> {
    let dumped = setting.dumped(DAY).await;
    dumped
        .keys()
        .map(|(_, _, timestamp)| (timestamp - day(DAY).start()) / 60_000_000)
        .collect()
}

async fn sweep(setting: &Setting) -> (u64, u64) {
    let Swept {
        dumped,
        current,
        failed,
    } = setting.sweep(DAY).await;
    assert_eq!(failed, 0);
    (dumped, current)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_adds_to_what_the_lost_one_has_dumped() {
    let lost = holding(&["2017-06-01T00:00:00Z", "2017-06-01T00:01:00Z", "2017-06-01T00:02:00Z"]).await;
    assert_eq!(sweep(&lost).await, (1, 0));
    assert_eq!(lost.manifest(DAY).await.day_version, 3);
    let new = holding(&["2017-06-01T00:05:00Z"]).await.over(&lost);
    assert_eq!(sweep(&new).await, (1, 0));
    assert_eq!(minutes(&new).await, [0, 1, 2, 5]);
    assert_eq!(sweep(&new).await, (0, 1));
    // Up to the version of the lost database, and beyond it.
    for (minute, found) in [
        ("2017-06-01T00:06:00Z", vec![0, 1, 2, 5, 6]),
        ("2017-06-01T00:07:00Z", vec![0, 1, 2, 5, 6, 7]),
        ("2017-06-01T00:08:00Z", vec![0, 1, 2, 5, 6, 7, 8]),
    ] {
        new.write(&reading(minute)).await;
        assert_eq!(sweep(&new).await, (1, 0));
        assert_eq!(minutes(&new).await, found);
    }
    // The month goes, and the next late reading is merged with all of it.
    assert!(new.retain("2017-07-01", false).await[0].starts_with("2017-06: goes: 4 readings"));
    new.write(&reading("2017-06-01T00:09:00Z")).await;
    assert_eq!(sweep(&new).await, (1, 0));
    assert_eq!(minutes(&new).await, [0, 1, 2, 5, 6, 7, 8, 9]);
}

/// As many transactions as in the lost database: a late reading must not count as dumped, nor be dropped.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_version_by_chance_is_not_the_same() {
    let lost = holding(&["2017-06-01T00:00:00Z", "2017-06-01T00:01:00Z"]).await;
    sweep(&lost).await;
    let new = holding(&["2017-06-01T00:01:00Z", "2017-06-01T00:05:00Z"])
        .await
        .over(&lost);
    assert_eq!(new.number("SELECT version FROM day").await, 2);
    let months = new.retain("2017-07-01", false).await;
    pin("a_dump_of_another_database_keeps_the_month", months.join("\n"));
    assert_eq!(new.rows().await, 2);
    assert_eq!(sweep(&new).await, (1, 0));
    assert_eq!(minutes(&new).await, [0, 1, 5]);
}

/// A database restored from its backup knows less than its dumps do.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_keeps_what_it_had_dumped() {
    let setting = holding(&["2017-06-01T00:00:00Z"]).await;
    sweep(&setting).await;
    for minute in ["2017-06-01T00:01:00Z", "2017-06-01T00:02:00Z"] {
        setting.write(&reading(minute)).await;
    }
    assert_eq!(sweep(&setting).await, (1, 0));
    setting
        .execute(
            "DELETE FROM reading WHERE timestamp > '2017-06-01T00:00:00Z';
             UPDATE day SET version = 1;
             DELETE FROM dumped_day WHERE version > 1;
             UPDATE series SET latest_timestamp = '2017-06-01T00:00:00Z'",
        )
        .await;
    // The same store forgets what it wrote.
    for (minute, found) in [
        ("2017-06-01T00:05:00Z", vec![0, 1, 2, 5]),
        ("2017-06-01T00:06:00Z", vec![0, 1, 2, 5, 6]),
        ("2017-06-01T00:07:00Z", vec![0, 1, 2, 5, 6, 7]),
    ] {
        setting.write(&reading(minute)).await;
        assert_eq!(sweep(&setting).await, (1, 0));
        assert_eq!(minutes(&setting).await, found);
    }
}

/// Once the dumps are restored, the database holds everything, and knows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_may_come_after_any_dump() {
    let lost = holding(&["2017-06-01T00:00:00Z", "2017-06-01T00:01:00Z"]).await;
    sweep(&lost).await;
    let new = holding(&["2017-06-01T00:05:00Z"]).await.over(&lost);
    sweep(&new).await;
    let whole = "SELECT count(*) FROM dumped_day WHERE whole AND version = (SELECT version FROM day)";
    assert_eq!(new.number(whole).await, 0);
    let restorer = Restorer::new(new.store.clone(), new.pool.clone(), 1000);
    restorer.restore(Days::default(), |_| ()).await.unwrap();
    assert_eq!((new.rows().await, new.number(whole).await), (3, 1));
    assert_eq!(sweep(&new).await, (0, 1));
    // A damaged file is written again if the database has all of its readings.
    let manifest = new.manifest(DAY).await;
    new.store.delete(&manifest.file).await.unwrap();
    assert_eq!(sweep(&new).await, (1, 0));
    assert_eq!(minutes(&new).await, [0, 1, 5]);
}

/// Readings that may exist only in a dump are not overwritten; the error names the missing file.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_dump_of_another_database_is_kept() {
    let lost = holding(&["2017-06-01T00:00:00Z"]).await;
    sweep(&lost).await;
    let new = holding(&["2017-06-01T00:05:00Z"]).await.over(&lost);
    let manifest = new.manifest(DAY).await;
    let (data, _) = new.store.get(&manifest.file).await.unwrap().unwrap();
    new.store.delete(&manifest.file).await.unwrap();
    let error = new.dumper.dump(day(DAY)).await.unwrap_err();
    pin("a_damaged_dump_of_another_database", format!("{error:#}"));
    assert_eq!(new.manifest(DAY).await, manifest);
    assert!(new.store.create(&manifest.file, data).await.unwrap());
    assert_eq!(sweep(&new).await, (1, 0));
    assert_eq!(minutes(&new).await, [0, 5]);
}

/// A dropped day, restored beside a late reading, holds more than its dump. The database still knows that
/// dump.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_day_that_is_restored_goes_on() {
    let setting = holding(&["2017-06-01T00:00:00Z", "2017-06-01T00:01:00Z"]).await;
    sweep(&setting).await;
    assert!(setting.retain("2017-07-01", false).await[0].contains("goes"));
    setting.write(&reading("2017-06-01T00:05:00Z")).await;
    let restorer = Restorer::new(setting.store.clone(), setting.pool.clone(), 1000);
    restorer.restore(Days::default(), |_| ()).await.unwrap();
    assert_eq!(setting.rows().await, 3);
    assert_eq!(sweep(&setting).await, (1, 0));
    assert_eq!(minutes(&setting).await, [0, 1, 5]);
    assert!(setting.retain("2017-07-01", false).await[0].contains("goes"));
}

/// The dump in force of a dropped day was written after the backup, upon a dump that the database knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_goes_on_with_its_dropped_days() {
    let setting = holding(&["2017-06-01T00:00:00Z"]).await;
    sweep(&setting).await;
    assert!(setting.retain("2017-07-01", false).await[0].contains("goes"));
    setting.write(&reading("2017-06-01T00:01:00Z")).await;
    assert_eq!(sweep(&setting).await, (1, 0));
    setting.write(&reading("2017-06-01T00:02:00Z")).await;
    assert_eq!(sweep(&setting).await, (1, 0));
    setting
        .execute("DELETE FROM reading; UPDATE day SET version = 1; DELETE FROM dumped_day WHERE version > 1")
        .await;
    let fresh = store::Store::new(setting.pool.clone());
    let late = super::message(&reading("2017-06-01T00:05:00Z"));
    fresh.write(&[late]).await.unwrap();
    assert_eq!(sweep(&setting).await, (1, 0));
    assert_eq!(minutes(&setting).await, [0, 1, 2, 5]);
    // A store that was set back to before the drop is refused.
    setting.execute("UPDATE dropped_day SET version = 100").await;
    setting.write(&reading("2017-06-01T00:06:00Z")).await;
    assert_eq!(setting.sweep(DAY).await.failed, 1);
}
