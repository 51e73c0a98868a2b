use super::{Address, Comparing, DayReport, DaysCompared, Verification};
use archive::{Days, Dumper};
use std::time::Duration;

/// A database with two days of readings in two months, a copy of it, and its dumps.
struct Setting {
    pools: [::postgres::Pool; 2],
    urls: [String; 3],
    folder: tempfile::TempDir,
    _databases: [testutil::Database; 2],
}

/// Six series of two devices, every ten minutes.
const FILL: &str = "
    CREATE TABLE april (LIKE reading INCLUDING ALL);
    CREATE TABLE may (LIKE reading INCLUDING ALL);
    ALTER TABLE reading ATTACH PARTITION april FOR VALUES FROM ('2024-04-01 00:00:00Z') TO ('2024-05-01 00:00:00Z');
    ALTER TABLE reading ATTACH PARTITION may FOR VALUES FROM ('2024-05-01 00:00:00Z') TO ('2024-06-01 00:00:00Z');
    INSERT INTO series (id, device, sensor, latest_timestamp, latest_value)
        SELECT CASE device WHEN 'Niva' THEN number ELSE 10 - number END, device, sensor, '2024-05-01 23:50:00Z', 1
        FROM unnest('{speed,fuel,rpm}'::text[]) WITH ORDINALITY AS sensors (sensor, number)
        CROSS JOIN unnest('{lada,Niva}'::text[]) AS devices (device);
    INSERT INTO reading SELECT id, moment, extract(epoch FROM moment) / 7 + id
        FROM series CROSS JOIN generate_series('2024-04-30 00:00:00Z', '2024-05-01 23:50:00Z', interval '10 minutes') AS moment;
    INSERT INTO day VALUES ('2024-04-30', 1), ('2024-05-01', 1)";

const READINGS: u64 = 6 * 144;

impl Setting {
    async fn new() -> Self {
        let databases = [testutil::database().await, testutil::database().await];
        let pools = [&databases[0], &databases[1]]
            .map(|database| ::postgres::open(&database.url(), 2, Duration::from_secs(30)).unwrap());
        for pool in &pools {
            schema::prepare(pool, true).await.unwrap();
            pool.get().await.unwrap().batch_execute(FILL).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let dumps = format!("file://{}", folder.path().display());
        let dumper = Dumper::new(pools[0].clone(), blob::Store::open(&dumps).unwrap());
        for day in ["2024-04-30", "2024-05-01", "2024-05-02"] {
            dumper.dump(day.parse().unwrap()).await.unwrap();
        }
        Self {
            pools,
            urls: [databases[0].url(), databases[1].url(), dumps],
            folder,
            _databases: databases,
        }
    }

    async fn compare(&self, first: usize, second: usize, days: Days) -> (Vec<DayReport>, DaysCompared) {
        let options = Comparing {
            scratch_dir: std::env::temp_dir(),
            sort_memory: 1 << 20,
            patience: Duration::from_secs(60),
        };
        let sides = [first, second].map(|side| Address::parse(&self.urls[side]).unwrap());
        let [first, second] = sides;
        let verification = Verification::open(first, second, days, &options).await.unwrap();
        let mut reports = Vec::new();
        let totals = verification.run(|day| reports.push(day.clone())).await.unwrap();
        (reports, totals)
    }

    async fn tamper(&self, statement: &str) {
        let client = self.pools[1].get().await.unwrap();
        assert_eq!(client.execute(statement, &[]).await.unwrap(), 1, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_its_copy_and_its_dumps_are_equal() {
    let setting = Setting::new().await;
    let mut checksums = Vec::new();
    for (first, second) in [(0, 1), (0, 2), (2, 1), (2, 2)] {
        let (reports, totals) = setting.compare(first, second, Days::default()).await;
        assert_eq!((totals.equal_days, totals.different_days), (2, 0), "{reports:?}");
        for report in &reports {
            assert_eq!(report.first, report.second);
            assert_eq!(report.first.tally.readings, READINGS, "{report}");
        }
        checksums.push([reports[0].first.tally.checksum, reports[1].first.tally.checksum]);
    }
    assert!(checksums.windows(2).all(|two| two[0] == two[1]) && checksums[0][0] != checksums[0][1]);
    let one = Days::new(Some("2024-05-01".parse().unwrap()), None).unwrap();
    let (reports, totals) = setting.compare(0, 1, one).await;
    assert_eq!(totals.equal_days, 1);
    insta::assert_snapshot!(reports[0]);
    let before = Days::new(None, Some("2024-04-29".parse().unwrap())).unwrap();
    let (_, nothing) = setting.compare(0, 2, before).await;
    assert_eq!(nothing, DaysCompared::default());
    insta::assert_snapshot!(nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_changed_or_is_missing_or_too_much_is_found() {
    let noon = "timestamp = '2024-05-01 12:00:00Z'";
    for (name, statement, expected) in [
        (
            "another_value",
            format!("UPDATE reading SET value = value + 1 WHERE series_id = 1 AND {noon}"),
            (0, 0, 1),
        ),
        (
            "a_missing_row",
            format!("DELETE FROM reading WHERE series_id = 1 AND {noon}"),
            (1, 0, 0),
        ),
        // Later than the series' latest value, and of a day that the table of days has.
        (
            "a_surplus_row",
            "INSERT INTO reading VALUES (1, '2024-05-01 23:59:59.999999Z', 5)".to_owned(),
            (0, 1, 0),
        ),
        (
            "no_number",
            format!("UPDATE reading SET value = 'NaN' WHERE series_id = 9 AND {noon}"),
            (0, 0, 1),
        ),
    ] {
        let setting = Setting::new().await;
        setting.tamper(&statement).await;
        for first in [0, 2] {
            let (reports, totals) = setting.compare(first, 1, Days::default()).await;
            assert_eq!((totals.equal_days, totals.different_days), (1, 1), "{reports:?}");
            let found = &reports[1];
            let counts = &found.difference;
            assert_eq!(
                (counts.only_first, counts.only_second, counts.other_value),
                expected,
                "{statement}"
            );
            // The same, whether it is compared with the database or its dump.
            insta::allow_duplicates! { insta::assert_snapshot!(name, found) };
            assert_ne!(found.first.tally.checksum, found.second.tally.checksum);
            assert_eq!(found.json()["equal"], false);
        }
    }
    // Of a day that only this side has.
    let setting = Setting::new().await;
    setting
        .tamper("INSERT INTO reading VALUES (1, '2024-05-20 12:00:00Z', 5)")
        .await;
    let (reports, _) = setting.compare(1, 0, Days::default()).await;
    insta::assert_snapshot!(reports.last().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_damaged_or_missing_differs() {
    let setting = Setting::new().await;
    let file = setting.folder.path().join("2024-04-30.r1.json.gz");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    std::fs::remove_file(setting.folder.path().join("2024-05-01.manifest.json")).unwrap();
    let (reports, totals) = setting.compare(2, 0, Days::default()).await;
    assert_eq!((totals.equal_days, totals.different_days), (0, 2), "{reports:?}");
    insta::with_settings!({filters => vec![("[0-9a-f]{64}", "[SHA-256]")]}, {
        insta::assert_snapshot!(format!("{}\n{}", reports[0], reports[1]));
    });
    // Two damaged sides are not equal.
    let (_, totals) = setting.compare(2, 2, Days::default()).await;
    assert_eq!((totals.equal_days, totals.different_days), (0, 1));
}

#[tokio::test]
async fn what_is_no_source_is_said() {
    let mut said = Vec::new();
    for url in ["readings", "kafka://h/readings", "memory://readings", "postgres://["] {
        said.push(format!("{url}: {:#}", Address::parse(url).unwrap_err()));
    }
    let empty = testutil::database().await;
    let folder = tempfile::tempdir().unwrap();
    let sides = [empty.url(), format!("file://{}", folder.path().display())].map(|url| Address::parse(&url).unwrap());
    let [first, second] = sides;
    let options = Comparing {
        scratch_dir: std::env::temp_dir(),
        sort_memory: 1 << 20,
        patience: Duration::from_secs(60),
    };
    let opened = Verification::open(first, second, Days::default(), &options).await;
    let error = opened.err().expect("a database without tables");
    said.push(format!("a database without tables: {error:#}"));
    insta::assert_snapshot!(said.join("\n"));
}
