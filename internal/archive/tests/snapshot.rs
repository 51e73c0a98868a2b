//! Days of a database, and their dumps.

use super::{Setting, day};
use crate::postgres::OfDay;
use crate::{Day, Outcome, nightly};
use futures_util::TryStreamExt;
use std::time::Duration;

fn june_30() -> Day {
    day("2017-06-30")
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_exactly_the_days_readings_in_bytewise_order() {
    let setting = Setting::start().await;
    let readings = [
        ("lada", "speed", "2017-06-30T23:59:59.999999Z", 3.5),
        ("lada", "speed", "2017-06-30T00:00:00Z", 1.0),
        ("lada", "speed", "2017-06-29T23:59:59.999999Z", 0.0),
        ("lada", "speed", "2017-07-01T00:00:00Z", 4.0),
        ("lada", "fuel", "2017-06-30T12:00:00.25Z", -0.0),
        ("Zastava", "speed", "2017-06-30T12:00:00Z", 5e-324),
        ("lada-1", "speed", "2017-06-30T12:00:00Z", 7.0),
        ("lada.1", "Speed", "2017-06-30T12:00:00Z", 8.0),
        ("only-before", "speed", "2017-06-29T12:00:00Z", 9.0),
        ("only-after", "speed", "2017-07-01T12:00:00Z", 9.0),
    ];
    setting.write(&readings).await;
    let outcome = setting.dumper.dump(june_30()).await.unwrap();
    let manifest = outcome.manifest();
    assert_eq!(
        setting.lines("2017-06-30.json.gz").await,
        r#"{"sensor":"speed","value":5e-324,"timestamp":"2017-06-30T12:00:00Z","device":"Zastava"}
{"sensor":"fuel","value":-0,"timestamp":"2017-06-30T12:00:00.250Z","device":"lada"}
{"sensor":"speed","value":1,"timestamp":"2017-06-30T00:00:00Z","device":"lada"}
{"sensor":"speed","value":3.5,"timestamp":"2017-06-30T23:59:59.999999Z","device":"lada"}
{"sensor":"speed","value":7,"timestamp":"2017-06-30T12:00:00Z","device":"lada-1"}
{"sensor":"Speed","value":8,"timestamp":"2017-06-30T12:00:00Z","device":"lada.1"}
"#
    );
    assert_eq!(
        (
            manifest.readings,
            manifest.devices,
            manifest.day_version,
            manifest.revision
        ),
        (6, 4, 1, 1)
    );
    assert_eq!(manifest.first_timestamp.as_deref(), Some("2017-06-30T00:00:00Z"));
    assert_eq!(manifest.last_timestamp.as_deref(), Some("2017-06-30T23:59:59.999999Z"));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_readings_give_a_new_revision_and_none_gives_none() {
    let setting = Setting::start().await;
    let never = setting.dumper.dump(june_30()).await.unwrap();
    assert_eq!((never.manifest().readings, never.manifest().day_version), (0, 0));
    assert!(matches!(
        setting.dumper.dump(june_30()).await.unwrap(),
        Outcome::Unchanged(_)
    ));
    setting.write(&[("lada", "speed", "2017-06-30T12:00:00Z", 1.0)]).await;
    assert!(
        matches!(setting.dumper.dump(june_30()).await.unwrap(), Outcome::Written(manifest) if manifest.revision == 2)
    );
    assert!(
        matches!(setting.dumper.dump(june_30()).await.unwrap(), Outcome::Unchanged(manifest) if manifest.revision == 2)
    );
    assert_eq!(setting.lines("2017-06-30.json.gz").await.lines().count(), 1);
    assert_eq!(setting.lines("2017-06-30.r1.json.gz").await, "");
}

/// Version and readings are of one snapshot, although readings arrive in between.
#[tokio::test(flavor = "multi_thread")]
async fn readings_that_arrive_after_the_version_was_read_are_left_to_the_next_dump() {
    let setting = Setting::start().await;
    setting.write(&[("lada", "speed", "2017-06-30T12:00:00Z", 1.0)]).await;
    let snapshot = OfDay {
        pool: &setting.pool,
        day: june_30(),
    }
    .snapshot(None)
    .await
    .unwrap();
    let late = [
        ("lada", "speed", "2017-06-30T13:00:00Z", 2.0),
        ("niva", "speed", "2017-06-30T13:00:00Z", 2.0),
    ];
    setting.write(&late).await;
    let mut writer = setting.store.writer("frozen").await.unwrap();
    let version = snapshot.version;
    let (written, is_whole) = snapshot.write(None, &mut writer).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!((version, written.readings, is_whole), (1, 1, true));
    let outcome = setting.dumper.dump(june_30()).await.unwrap();
    assert_eq!((outcome.manifest().day_version, outcome.manifest().readings), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_series_than_are_looked_up_at_once() {
    let setting = Setting::start().await;
    // Makes the month's partition.
    setting.write(&[("lada", "speed", "2017-06-01T00:00:00Z", 0.0)]).await;
    let fill = "
            INSERT INTO series (device, sensor, latest_timestamp) SELECT 'd' || n, 'speed', '2017-06-30T12:00:00Z' FROM generate_series(1, 2500) n;
            INSERT INTO reading SELECT id, '2017-06-30T12:00:00Z', id FROM series WHERE device <> 'lada';
            INSERT INTO day VALUES ('2017-06-30', 1)";
    setting.pool.get().await.unwrap().batch_execute(fill).await.unwrap();
    let outcome = setting.dumper.dump(june_30()).await.unwrap();
    assert_eq!((outcome.manifest().readings, outcome.manifest().devices), (2500, 2500));
    let lines = setting.lines("2017-06-30.json.gz").await;
    let devices: Vec<_> = lines
        .lines()
        .map(|line| line.rsplit_once("\"device\":").unwrap().1)
        .collect();
    assert!(devices.is_sorted());
}

/// A dump returns its connection; a pool of one must still serve the next.
#[tokio::test(flavor = "multi_thread")]
async fn the_pool_is_as_before_after_each_dump() {
    let setting = Setting::start().await;
    for _ in 0..8 {
        setting.dumper.dump(june_30()).await.unwrap();
    }
    let client = setting.pool.get().await.unwrap();
    let row = client
        .query_one(
            "SELECT current_setting('transaction_read_only'), current_setting('enable_sort')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("off", "on"));
    assert_eq!(setting.pool.status().size, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_starts_dumps_yesterday_and_ends_when_asked_to() {
    let setting = Setting::start().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let before = Day::before(jiff::Timestamp::now()).previous();
    let running = tokio::spawn(nightly(setting.dumper.clone(), None, stop.clone()));
    let dumped = || async {
        let manifests = setting.store.list("").try_collect::<Vec<_>>().await.unwrap();
        manifests
            .into_iter()
            .find_map(|meta| meta.name.strip_suffix(".manifest.json").map(str::to_owned))
    };
    let day: Day = testutil::poll(Duration::from_secs(20), dumped).await.parse().unwrap();
    // Right after midnight, the day that is certainly over is the one before.
    assert!(day >= before && day <= before.next().next(), "{day}");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
}
