//! A day's dump holds exactly that day, and makes the same day again.

use crate::source::bodies;
use crate::system::{LONG, System, connect};
use blob::Store;
use flate2::read::MultiGzDecoder;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;
use testutil::{Process, Program, poll, s3};

/// A dumper; one that drops months has to be the tables' owner.
fn dumper(system: &System, url: &str, flags: &[&str]) -> Process {
    let drops = flags.contains(&"--retention") && !flags.contains(&"--dry-run");
    let database = &system.database;
    Program::new("dumper")
        .env(
            "DATABASE_URL",
            if drops {
                database.url()
            } else {
                database.url_as("odograph_dumper")
            },
        )
        .env("BLOB_STORE_URL", url)
        .args(flags)
        .spawn()
}

/// Runs the dumper for one day into a folder.
pub(crate) async fn dump_to(system: &System, url: &str, day: &str) {
    let mut dumper = dumper(system, url, &["--dump-date", day]);
    assert_eq!(dumper.wait(LONG).await, 0, "{}", dumper.output().join("\n"));
}

/// The lines of a day's dump of this system.
pub(crate) async fn lines(system: &System, day: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    dump_to(system, &format!("file://{}", folder.path().display()), day).await;
    check(folder.path(), day)
}

/// The lines of a dump, checked against its manifest.
fn check(folder: &Path, day: &str) -> Vec<String> {
    let manifest = std::fs::read_to_string(folder.join(format!("{day}.manifest.json"))).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let revision = manifest["revision"].as_u64().unwrap();
    let bytes = std::fs::read(folder.join(format!("{day}.r{revision}.json.gz"))).unwrap();
    assert_eq!(
        bytes,
        std::fs::read(folder.join(format!("{day}.json.gz"))).unwrap(),
        "the copy under the stable name"
    );
    assert_eq!(manifest["bytes"].as_u64(), Some(bytes.len() as u64));
    let hash = format!("{:x}", Sha256::digest(&bytes));
    assert_eq!(manifest["sha256"].as_str(), Some(&*hash));
    let mut text = String::new();
    MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(manifest["readings"].as_u64(), Some(lines.len() as u64), "{manifest}");
    lines
}

#[tokio::test]
async fn days_round_trip() {
    let bodies = bodies().await;
    let system = System::start(1).await;
    let mut sent = 0;
    for body in &bodies {
        assert_eq!(system.post(body.text.clone()).await.0, 200);
        sent += body.text.lines().count();
    }
    system.wait_for_rows(i64::try_from(sent).unwrap()).await;
    let client = connect(&system.database.url()).await;

    // The days around midnight, one of them without readings, and a day with some.
    let mut dumped = 0;
    for day in ["2017-06-02", "2017-06-03", "2017-06-04", "2019-01-01"] {
        let lines = lines(&system, day).await;
        let row = client
            .query_one("SELECT count(*) FROM reading WHERE timestamp >= $1::text::timestamptz AND timestamp < $1::text::timestamptz + interval '1 day'", &[&format!("{day} 00:00+00")])
            .await
            .unwrap();
        assert_eq!(lines.len() as i64, row.get::<_, i64>(0), "{day}");
        let start = |line: &str| line.split("\"timestamp\":\"").nth(1).unwrap()[..10].to_owned();
        assert!(
            lines.iter().all(|line| start(line) == day),
            "{day} holds another day's readings"
        );
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("{\"sensor\":\"") && line.ends_with("\",\"device\":\"default\"}")),
            "{day}"
        );
        dumped += lines.len();
        if lines.is_empty() {
            continue;
        }
        let other = System::start(1).await;
        assert_eq!(other.post(lines.join("\n")).await.0, 200, "{day}");
        other.wait_for_rows(lines.len() as i64).await;
        assert!(self::lines(&other, day).await == lines, "{day} made another dump");
    }
    assert!(dumped > 0, "no day held readings");
}

#[tokio::test]
async fn revisions_and_versions_over_s3() {
    let system = System::start(1).await;
    let prefix = testutil::unique("dumps");
    let url = s3().url(&prefix);
    let day = "2024-05-01";
    dump_to(&system, &url, day).await;
    let store = Store::open(&url).unwrap();
    let store = async |name: &str| {
        store
            .get(name)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("{name} is not there"))
            .0
            .to_vec()
    };
    let manifest = async || -> serde_json::Value {
        serde_json::from_slice(&store(&format!("{day}.manifest.json")).await).unwrap()
    };
    let empty = manifest().await;
    assert_eq!(
        (
            empty["revision"].as_u64(),
            empty["readings"].as_u64(),
            empty["dayVersion"].as_u64()
        ),
        (Some(1), Some(0), Some(0))
    );

    let body = r#"{"sensor":"speed","value":55.0,"timestamp":"2024-05-01T12:00:00.500Z","device":"lada"}"#;
    assert_eq!(system.post(body).await.0, 200);
    system.wait_for_rows(1).await;
    for _ in 0..2 {
        // The second time nothing has changed.
        dump_to(&system, &url, day).await;
        let found = manifest().await;
        assert_eq!(
            (
                found["revision"].as_u64(),
                found["readings"].as_u64(),
                found["dayVersion"].as_u64()
            ),
            (Some(2), Some(1), Some(1))
        );
        assert_eq!(found["firstTimestamp"], "2024-05-01T12:00:00.500Z");
    }
    let mut text = String::new();
    MultiGzDecoder::new(&store(&format!("{day}.json.gz")).await[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(
        text,
        "{\"sensor\":\"speed\",\"value\":55,\"timestamp\":\"2024-05-01T12:00:00.500Z\",\"device\":\"lada\"}\n"
    );
}

#[tokio::test]
async fn stale_days_and_retention_over_s3() {
    stale_days_and_retention(&s3().url(&testutil::unique("dumps"))).await;
}

/// The same with dumps too large for the store to copy in one request.
#[tokio::test]
async fn stale_days_and_retention_above_the_copy_limit_of_s3() {
    let url = s3().url(&testutil::unique("dumps")) + "&copy_limit=0";
    stale_days_and_retention(&url).await;
}

/// The life of old days: dumped by several dumpers and killed ones, dropped, late, and dumped again.
async fn stale_days_and_retention(url: &str) {
    const DAYS: usize = 12;
    const EACH: usize = 50;
    let system = System::start(1).await;
    let store = Store::open(url).unwrap();
    let line = |day: usize, second: usize, value: usize| {
        format!(
            "{{\"sensor\":\"speed\",\"value\":{value},\"timestamp\":\"2024-05-{day:02}T12:00:{second:02}Z\",\"device\":\"lada\"}}\n"
        )
    };
    let body: String = (1..=DAYS)
        .flat_map(|day| (0..EACH).map(move |second| line(day, second, 1)))
        .collect();
    assert_eq!(system.post(body.clone()).await.0, 200);
    let all = i64::try_from(DAYS * EACH).unwrap();
    system.wait_for_rows(all).await;
    let manifests = async || {
        let names = store
            .list("")
            .map_ok(|meta| meta.name)
            .try_collect::<Vec<_>>()
            .await
            .unwrap();
        names
            .iter()
            .filter(|name| name.contains("2024-05") && name.ends_with("manifest.json"))
            .count()
    };
    let lines = async |day: usize| -> Vec<String> {
        let name = format!("2024-05-{day:02}.json.gz");
        let (bytes, _) = store.get(&name).await.unwrap().unwrap();
        let mut text = String::new();
        MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    };

    let mut killed = dumper(&system, url, &["--stale"]);
    poll(LONG, async || (manifests().await >= 2).then_some(())).await;
    killed.kill9().await;
    let (mut one, mut two) = (dumper(&system, url, &["--stale"]), dumper(&system, url, &["--stale"]));
    assert_eq!(one.wait(LONG).await, 0, "{}", one.output().join("\n"));
    assert_eq!(two.wait(LONG).await, 0, "{}", two.output().join("\n"));
    assert_eq!(manifests().await, DAYS);
    for day in 1..=DAYS {
        assert_eq!(
            lines(day).await.concat(),
            (0..EACH)
                .map(|second| line(day, second, 1))
                .collect::<String>()
                .replace('\n', "")
        );
    }

    // The dumper finds a wrong dump before it drops a month, and writes a missing one again. The killed
    // dumper may have claimed the first number.
    let manifest = store.get("2024-05-05.manifest.json").await.unwrap().unwrap().0;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let file = manifest["file"].as_str().unwrap();
    let mut bad = store.get(file).await.unwrap().unwrap().0.to_vec();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    store.delete(file).await.unwrap();
    assert!(store.create(file, bad.into()).await.unwrap());
    let mut refused = dumper(&system, url, &["--dump-date", "2024-06-30", "--retention", "30d"]);
    assert_eq!(refused.wait(LONG).await, 1, "{}", refused.output().join("\n"));
    let reason = "the dump of 2024-05-05 is unreliable";
    assert!(
        refused.output().iter().any(|line| line.contains(reason)),
        "{:?}",
        refused.output()
    );
    system.wait_for_rows(all).await;
    store.delete(file).await.unwrap();
    let mut mended = dumper(&system, url, &["--stale"]);
    assert_eq!(mended.wait(LONG).await, 0, "{}", mended.output().join("\n"));

    let mut dry = dumper(&system, url, &["--retention", "30d", "--dry-run"]);
    assert_eq!(dry.wait(LONG).await, 0, "{}", dry.output().join("\n"));
    let shown = format!("2024-05: goes: {all} readings in {DAYS} days with readings");
    assert!(
        dry.stdout().iter().any(|line| line.starts_with(&shown)),
        "{:?}",
        dry.stdout()
    );
    system.wait_for_rows(all).await;
    let latest = system.get("/statistics/latest").await;

    let mut dropping = dumper(&system, url, &["--stale", "--retention", "30d"]);
    assert_eq!(dropping.wait(LONG).await, 0, "{}", dropping.output().join("\n"));
    system.wait_for_rows(0).await;
    assert_eq!(system.get("/statistics/latest").await, latest);

    // A late reading, a conflict, and a repeated file.
    let late = line(3, 55, 7) + &line(3, 0, 9) + &body;
    assert_eq!(system.post(late).await.0, 200);
    system.wait_for_rows(all + 1).await;
    let mut again = dumper(&system, url, &["--stale", "--retention", "30d"]);
    assert_eq!(again.wait(LONG).await, 0, "{}", again.output().join("\n"));
    system.wait_for_rows(0).await;
    for day in 1..=DAYS {
        let mut expected: Vec<String> = (0..EACH).map(|second| line(day, second, 1)).collect();
        if day == 3 {
            expected.push(line(3, 55, 7));
        }
        assert_eq!(
            lines(day).await.concat(),
            expected.concat().replace('\n', ""),
            "day {day}"
        );
    }

    for wrong in [
        &["--dry-run"][..],
        &["--stale", "--dump-date", "2024-05-01"],
        &["--retention", "3 months"],
    ] {
        assert_eq!(dumper(&system, url, wrong).wait(LONG).await, 2, "{wrong:?}");
    }
}
