//! Today's programs continue with a database of the last release.

use crate::dead::list;
use crate::system::{KEY, LONG, answer, client, connect, ingestor, persistor, up};
use serde_json::Value;
use testutil::{Process, Program, Signal, nats_url, poll, unique, workspace};

#[tokio::test]
async fn a_database_of_the_last_release_goes_on() {
    let database = testutil::database().await;
    let rows = std::fs::read_to_string(workspace().join("tests/data/last_release.sql")).unwrap();
    connect(&database.url()).await.batch_execute(&rows).await.unwrap();
    let sql = connect(&database.url()).await;
    // They are kept for 30 days.
    sql.batch_execute("UPDATE dead_letter SET buried = now()")
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let mut up = up(folder.path(), &database.url()).start().await;
    // A duplicate, a conflict, a new reading, and one of a new month.
    let body = r#"{"sensor":"speed","value":56,"timestamp":"2024-05-01T00:00:01.5Z","device":"lada"}
{"sensor":"speed","value":99,"timestamp":"2024-05-01T00:00:04Z","device":"lada"}
{"sensor":"speed","value":58,"timestamp":"2024-05-01T00:00:06Z","device":"lada"}
{"sensor":"speed","value":59,"timestamp":"2024-06-01T00:00:00Z","device":"lada"}"#;
    let url = format!("{}/ingest", up.url().await);
    let (status, told) = answer(client().post(&url).bearer_auth(KEY).body(body).send().await.unwrap()).await;
    assert_eq!(status, 200, "{told}");
    let api = format!("http://{}/api", up.address("api").await);
    let receipt = format!("{api}/ingests/{}", told["id"].as_str().unwrap());
    let (_, receipt) = answer(client().get(receipt).send().await.unwrap()).await;
    let counts = ["persisted", "duplicates", "conflicts"].map(|count| receipt[count].as_u64());
    assert_eq!(counts, [Some(2), Some(1), Some(1)], "{receipt}");
    let (_, latest) = answer(client().get(format!("{api}/statistics/latest")).send().await.unwrap()).await;
    assert_eq!((&latest["speed"], &latest["fuel"]), (&59.0.into(), &40.0.into()));

    // The last release's dead letters are unchanged, and can be redriven.
    let place_url = database.url();
    let place = ("DATABASE_URL", &*place_url);
    let letters = list(place, &[]).await;
    let texts: Vec<_> = letters
        .iter()
        .map(|letter| letter["reading"].as_str().or(letter["reason"].as_str()).unwrap())
        .collect();
    assert_eq!(
        texts,
        [
            r#"{"sensor":"größe","value":1,"timestamp":"2024-05-01T00:00:03Z"}"#,
            "nonsense €",
            "the database refuses it (SQLSTATE 23514)",
            r"a reason with a \, a 100% and a €",
        ]
    );
    let event = ["event", "type", "source"].map(|field| letters[3][field].as_str().unwrap());
    assert_eq!(event, [r"an id of 50% \041", "a type", "/from/köln"]);
    assert_eq!(crate::dead::dead(place, &["redrive", "2"]).await.0, 0);
    let sum = "SELECT count(*), sum(value) FROM reading";
    let row = sql.query_one(sum, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, f64>(1)), (7, 338.5));

    let dumps = tempfile::tempdir().unwrap();
    let mut dumper = Program::new("dumper")
        .env("DATABASE_URL", database.url())
        .env("BLOB_STORE_URL", format!("file://{}", dumps.path().display()))
        .args(["--dump-date", "2024-05-01"])
        .spawn();
    assert_eq!(dumper.wait(LONG).await, 0, "{}", dumper.output().join("\n"));
}

async fn post(url: &str, body: &str) -> (u16, Value) {
    let upload = client().post(url).bearer_auth(KEY).body(body.to_owned());
    answer(upload.send().await.unwrap()).await
}

async fn end(mut process: Process) {
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LONG).await, 0, "{}", process.output().join("\n"));
}

/// The programs of the last release work over today's tables, beside today's programs: persistors are
/// upgraded before ingestors, and an upgrade may be reverted.
#[tokio::test]
#[ignore = "`make last-release` builds the programs that it starts"]
async fn the_programs_of_the_last_release_go_on() {
    let old = Program::of_last_release("ingestor");
    let database = testutil::database().await;
    let (bus, url) = (nats_url(&unique("readings")), database.url());
    let place = ("DATABASE_URL", &*url);
    let sql = connect(&url).await;
    let rows = async |expected: i64| {
        poll(LONG, async || {
            let count = sql.query_one("SELECT count(*) FROM reading", &[]).await.ok()?;
            (count.get::<_, i64>(0) == expected).then_some(())
        })
        .await;
    };
    let letters = async |expected: &[&str]| {
        poll(LONG, async || {
            let listed = list(place, &["--kind", "line"]).await;
            let mut readings: Vec<&str> = listed.iter().filter_map(|row| row["reading"].as_str()).collect();
            readings.sort_unstable();
            (readings == expected).then_some(())
        })
        .await;
    };
    let line = |second: u8| format!(r#"{{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:{second:02}Z"}}"#);

    // An old ingestor beside an upgraded persistor.
    let new = persistor(&bus, &url).start().await;
    let mut ingestor_of_old = old.env("API_KEY", KEY).env("EVENT_WRITER_URL", &bus).start().await;
    let old_url = format!("{}/ingest", ingestor_of_old.url().await);
    assert_eq!(post(&old_url, &format!("{}\nfirst", line(1))).await.0, 400);
    rows(1).await;
    letters(&["first"]).await;
    end(new).await;

    // The upgrade is reverted: the old persistor does not know rejected lines, and keeps them as a
    // message. An upload to each ingestor.
    let persistor_of_old = Program::of_last_release("persistor");
    let persistor_of_old = persistor_of_old
        .env("EVENT_READER_URL", &bus)
        .env("DATABASE_URL", &url)
        .start()
        .await;
    let mut ingestor_of_new = ingestor(&bus).start().await;
    let new_url = format!("{}/ingest", ingestor_of_new.url().await);
    let (status, told) = post(&new_url, &format!("{}\nsecond", line(2))).await;
    assert_eq!(status, 400);
    assert_eq!(post(&old_url, &format!("{}\nthird", line(3))).await.0, 400);
    rows(3).await;
    let api = Program::of_last_release("api");
    let mut api = api.env("DATABASE_URL", &url).start().await;
    let receipt = format!(
        "{}/api/ingests/{}?wait=5s",
        api.url().await,
        told["id"].as_str().unwrap()
    );
    let (_, receipt) = answer(client().get(receipt).send().await.unwrap()).await;
    assert_eq!(
        (&receipt["status"], &receipt["rejected"]),
        (&"persisted".into(), &1.into()),
        "{receipt}"
    );
    // The old persistor has made a dead letter of the rejected lines.
    poll(LONG, async || {
        let said = persistor_of_old.output();
        said.iter()
            .any(|line| line.contains("became a dead letter"))
            .then_some(())
    })
    .await;
    end(persistor_of_old).await;

    // After another upgrade, nothing is lost.
    let new = persistor(&bus, &url).start().await;
    letters(&["first", "second", "third"]).await;
    end(new).await;

    // In one process, over the same tables.
    let folder = tempfile::tempdir().unwrap();
    let up = Program::of_last_release("odograph");
    let mut up = up
        .args(["up", "--api-port", "0", "--data-dir"])
        .arg(folder.path())
        .env("DATABASE_URL", &url)
        .env("API_KEY", KEY)
        .start()
        .await;
    let up_url = format!("{}/ingest", up.url().await);
    assert_eq!(post(&up_url, &format!("{}\nfourth", line(4))).await.0, 400);
    rows(4).await;
    letters(&["first", "fourth", "second", "third"]).await;
}
