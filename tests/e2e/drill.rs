//! The drill: a lost database is made again from the dumps and the stream, and equals the lost one.

use crate::dumps::dump_to;
use crate::history::stream;
use crate::snapshot::{failures, pin};
use crate::source::simulate;
use crate::system::{LONG, System, connect};
use blob::Store;
use futures_util::TryStreamExt;
use std::fmt::Write as _;
use std::io::Write as _;
use testutil::{Process, Program, poll, s3, unique};

/// The days that are dumped, then trimmed from the stream.
const OLD: [&str; 4] = ["2024-04-29", "2024-04-30", "2024-05-01", "2024-05-02"];

/// The last day before the loss.
const LAST: &str = "2024-05-04";

fn odograph(command: &str) -> Program {
    Program::new("odograph").arg(command)
}

/// The exit code and standard output of a process.
async fn ended(mut process: Process) -> (i32, String) {
    let code = process.wait(LONG).await;
    let said = process.stdout().join("\n");
    // Differences are on standard output, failures in the log: a failed test shows both.
    let _unread = writeln!(std::io::stderr(), "{said}\n{}", process.output().join("\n"));
    assert!(code <= 1, "{code}: {said}");
    (code, said)
}

async fn verify(first: &str, second: &str, flags: &[&str]) -> (i32, String) {
    let process = odograph("verify")
        .env("FIRST_URL", first)
        .env("SECOND_URL", second)
        // So small that a stream's readings need many temporary files.
        .env("SORT_MEMORY", "64KiB")
        .args(flags.iter().copied())
        .spawn();
    ended(process).await
}

/// Uploads a body of good lines; returns their number.
async fn post(system: &System, body: &str) -> f64 {
    let (status, answer) = system.post(body.to_owned()).await;
    assert_eq!(status, 200, "{answer}");
    answer["accepted"].as_f64().unwrap()
}

async fn drive(device: &str, start: &str, span: &str) -> String {
    simulate(&["--seed", "7", "--device", device, "--start", start, "--for", span]).await
}

/// The first reading of a body, with another value.
fn conflict(body: &str) -> String {
    let mut line: serde_json::Value = serde_json::from_str(body.lines().next().unwrap()).unwrap();
    line["value"] = 12_345.678.into();
    line.to_string()
}

/// Lets the stream's history expire: a persistor that keeps none trims all stored messages.
async fn expire(system: &System) {
    let mut forgetful = system.persistor().args(["--history", "10ms"]).start().await;
    poll(LONG, async || {
        let messages = stream(&system.bus).await.cached_info().state.messages;
        (messages == 0).then_some(())
    })
    .await;
    forgetful.signal(testutil::Signal::SIGTERM);
    assert_eq!(forgetful.wait(LONG).await, 0);
}

#[tokio::test]
async fn a_lost_database_is_made_again_from_dumps_and_stream() {
    let mut system = System::start(2).await;
    let url = system.database.url();
    let dumps = s3().url(&unique("drill"));

    // The old days, over midnights and a month's end, with duplicates, late readings and conflicts.
    let nights = [
        drive("lada", "2024-04-29T23:55:00Z", "10m").await,
        drive("lada", "2024-04-30T23:55:00Z", "10m").await,
        drive("niva", "2024-05-01T23:58:00Z", "4m").await,
    ];
    let mut judged = 0.0;
    let middle = nights[1].lines().count() / 2;
    let (early, late): (Vec<&str>, Vec<&str>) = (
        nights[1].lines().take(middle).collect(),
        nights[1].lines().skip(middle).collect(),
    );
    for body in [&nights[0], &late.join("\n"), &early.join("\n"), &nights[2], &nights[0]] {
        judged += post(&system, body).await;
        system.wait_for_judged(judged).await;
    }
    judged += post(&system, &conflict(&nights[0])).await;
    system.wait_for_judged(judged).await;
    for day in OLD {
        dump_to(&system, &dumps, day).await;
    }
    expire(&system).await;

    // The days that only the stream has, and late readings of a dumped day.
    let days = [
        drive("lada", "2024-05-03T08:00:00Z", "10m").await,
        drive("lada", "2024-05-03T23:58:00Z", "4m").await,
        drive("moskvich", "2024-05-02T11:00:00Z", "1m").await,
    ];
    let (first, last) = (&days[0], &conflict(&days[0]));
    for body in [first, &days[1], &days[2], first, last] {
        judged += post(&system, body).await;
        system.wait_for_judged(judged).await;
    }
    assert_eq!(system.persisted("conflict").await, 2.0);
    assert!(system.persisted("duplicate").await > 10_000.0);
    let (rows, latest) = (system.rows().await, system.latest().await);

    // The loss. All programs and a device go on.
    let kept = system.database.lose().await;
    let lost = kept.url();
    let live = r#"{"sensor":"live","value":1,"timestamp":"2024-05-05T12:00:00Z","device":"lada"}"#;
    post(&system, live).await;
    testutil::give_roles(&url).await;
    // A dumper on the empty database removes nothing from the lost database's dumps.
    for day in OLD {
        dump_to(&system, &dumps, day).await;
    }
    let (code, said) = ended(
        odograph("restore")
            .env("BLOB_STORE_URL", &dumps)
            .env("DATABASE_URL", &url)
            .args(["--from", OLD[0], "--to", OLD[3]])
            .spawn(),
    )
    .await;
    assert_eq!(code, 0, "{said}");
    pin("a_restore", &said);
    let (code, said) = ended(
        odograph("rebuild")
            .env("EVENT_READER_URL", &system.bus)
            .env("DATABASE_URL", &url)
            // In the order of the bus: of two values the first one stays.
            .args(["--writers", "1"])
            .spawn(),
    )
    .await;
    assert_eq!(code, 0, "{said}");
    system.wait_for_rows(i64::try_from(rows.len()).unwrap() + 1).await;

    // The database equals the lost one, by `verify` and by SQL.
    let (code, said) = verify(&lost, &url, &["--to", LAST]).await;
    assert_eq!(code, 0, "{said}");
    pin("equal_databases", &said);
    let (code, said) = verify(&lost, &url, &[]).await;
    assert_eq!(code, 1, "{said}");
    pin("a_day_of_one_database", &said);
    let without_live = |rows: Vec<String>| {
        rows.into_iter()
            .filter(|row| !row.contains(" live "))
            .collect::<Vec<_>>()
    };
    assert!(without_live(system.rows().await) == rows, "the rows differ");
    assert!(
        without_live(system.latest().await) == latest,
        "the latest values differ"
    );

    // The stream has the newer days in full, and most others not at all.
    let (code, said) = verify(&system.bus, &url, &["--from", "2024-05-03"]).await;
    assert_eq!(code, 0, "{said}");
    pin("a_stream_and_its_database", &said);
    // No history reader holds messages back any more.
    let names: Vec<String> = stream(&system.bus).await.consumer_names().try_collect().await.unwrap();
    assert!(names.iter().all(|name| !name.starts_with("history_")), "{names:?}");
    let (code, said) = verify(&url, &system.bus, &["--to", "2024-05-02"]).await;
    assert_eq!(code, 1, "{said}");
    pin("a_trimmed_stream", &said);

    // The dumps: the day with late readings is stale, the others are not written again.
    let (code, said) = verify(&dumps, &url, &["--to", "2024-05-01", "--format", "json"]).await;
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &answer["equal"], answer["days"].as_array().unwrap().len()),
        (0, &true.into(), 3),
        "{said}"
    );
    let (code, said) = verify(&dumps, &url, &["--from", "2024-05-02", "--to", "2024-05-02"]).await;
    assert_eq!(code, 1, "{said}");
    pin("a_stale_dump", &said);
    for day in OLD {
        dump_to(&system, &dumps, day).await;
    }
    let store = Store::open(&dumps).unwrap();
    let mut files: Vec<String> = store.list("").map_ok(|meta| meta.name).try_collect().await.unwrap();
    files.retain(|name| name.contains(".r"));
    files.sort();
    let expected = [
        "2024-04-29.r1",
        "2024-04-30.r1",
        "2024-05-01.r1",
        "2024-05-02.r1",
        "2024-05-02.r2",
    ];
    assert_eq!(files, expected.map(|name| format!("{name}.json.gz")));
    let (code, said) = verify(&url, &dumps, &["--to", OLD[3]]).await;
    assert_eq!(code, 0, "{said}");
    pin("dumps_and_their_database", &said);

    tampered_with(&lost, &url).await;
    damaged(&store, &dumps, &url).await;
}

/// `verify` finds and names a changed, a missing and a surplus row.
async fn tampered_with(lost: &str, url: &str) {
    let client = connect(url).await;
    let one = "series_id = (SELECT id FROM series WHERE device = 'lada' AND sensor = 'speed') AND timestamp = '2024-05-03 08:01:00Z'";
    for (name, statement) in [
        (
            "a_changed_row",
            format!("UPDATE reading SET value = value + 0.001 WHERE {one}"),
        ),
        ("a_missing_row", format!("DELETE FROM reading WHERE {one}")),
        (
            "a_surplus_row",
            "INSERT INTO reading SELECT id, '2024-05-03 20:00:00Z', 1 FROM series WHERE device = 'lada' AND sensor = 'speed'".to_owned(),
        ),
    ] {
        assert_eq!(client.execute(&statement, &[]).await.unwrap(), 1, "{statement}");
        let (code, said) = verify(lost, url, &["--to", LAST]).await;
        assert_eq!(code, 1, "{said}");
        pin(name, &said);
    }
}

/// `verify` finds a damaged dump; it is not restored, and the others are.
async fn damaged(store: &Store, dumps: &str, url: &str) {
    let file = format!("{}.r1.json.gz", OLD[1]);
    let (bytes, _) = store.get(&file).await.unwrap().unwrap();
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut writer = store.writer(&file).await.unwrap();
    writer.write(bytes.into()).await.unwrap();
    writer.finish().await.unwrap();
    let (code, said) = verify(dumps, url, &["--to", OLD[3]]).await;
    assert_eq!(code, 1, "{said}");
    pin("a_damaged_dump_is_not_equal", &said);

    let empty = testutil::database().await;
    let restore = odograph("restore")
        .env("BLOB_STORE_URL", dumps)
        .env("DATABASE_URL", empty.url())
        .spawn();
    let (code, said) = ended(restore).await;
    assert_eq!(code, 1, "{said}");
    pin("a_damaged_dump_is_not_restored", &said);
    let (_, said) = verify(&empty.url(), url, &["--to", OLD[3]]).await;
    pin("a_day_that_was_not_restored", &said);
}

#[tokio::test]
async fn what_cannot_be_restored_or_compared_is_said() {
    let database = testutil::database().await;
    let folder = tempfile::tempdir().unwrap();
    let (nowhere, url) = (format!("file://{}", folder.path().display()), database.url());
    let mut failed = String::new();
    for (what, args, code) in [
        (
            "an unknown store",
            vec!["restore", "--blob-store-url", "s4://x", "--database-url", &url],
            2,
        ),
        (
            "an empty store",
            vec!["restore", "--blob-store-url", &nowhere, "--database-url", &url],
            1,
        ),
        (
            "days in another order",
            vec![
                "restore",
                "--blob-store-url",
                &nowhere,
                "--database-url",
                &url,
                "--from",
                "2024-05-02",
                "--to",
                "2024-05-01",
            ],
            2,
        ),
        ("an unknown bus", vec!["verify", &url, "kafka://h/readings"], 2),
        ("one source", vec!["verify", &url], 2),
        ("two empty stores", vec!["verify", &nowhere, &nowhere], 1),
        (
            "a bus that is not there",
            vec!["verify", &nowhere, "nats://127.0.0.1:1/readings", "--patience", "1s"],
            1,
        ),
    ] {
        let mut process = Program::new("odograph").args(args.iter().copied()).spawn();
        assert_eq!(process.wait(LONG).await, code, "{args:?}");
        let said = [process.stdout().join("\n"), failures(&process.output())].join("\n");
        writeln!(failed, "# {what}\n{}\n", said.trim()).unwrap();
    }
    pin("what_cannot_be_restored_or_compared", &failed);
}
