//! `odograph dead`: dead letters are kept whole, and can be redriven once their cause is fixed.

use crate::system::{KEY, LONG, System, answer, client, connect};
use serde_json::Value;
use std::fmt::Write;
use testutil::{Program, poll};

/// Runs `odograph dead`; returns exit code and standard output.
pub(crate) async fn dead(place: (&str, &str), args: &[&str]) -> (i32, Vec<String>) {
    let mut process = Program::new("odograph")
        .arg("dead")
        .args(args.iter().copied())
        .env(place.0, place.1)
        .spawn();
    let code = process.wait(LONG).await;
    (code, process.stdout())
}

/// The listed dead letters, as objects.
pub(crate) async fn list(place: (&str, &str), args: &[&str]) -> Vec<Value> {
    let (code, rows) = dead(place, &[&["list", "--format", "json"], args].concat()).await;
    assert_eq!(code, 0, "{rows:?}");
    rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}

fn line(value: u32, time: &str) -> String {
    format!(r#"{{"sensor":"speed","value":{value},"timestamp":"{time}","device":"lada"}}"#)
}

fn ahead() -> String {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    line(1, &time.to_string())
}

const REFUSE: &str = "ALTER TABLE reading_2024_05 ADD CONSTRAINT unlucky CHECK (value <> 13)";
const DROP_CONSTRAINT: &str = "ALTER TABLE reading_2024_05 DROP CONSTRAINT unlucky";

#[tokio::test]
async fn dead_letters_of_a_bus() {
    const LARGE: usize = 10_000;
    let system = System::start_with(1, &["--max-future", "1h"]).await;
    let url = system.database.url_as("odograph_writer");
    let place = ("DATABASE_URL", &*url);
    let bus = ["--event-reader-url", &*system.bus];
    let database = connect(&system.database.url()).await;
    assert_eq!(system.post(line(1, "2024-05-01T00:00:00Z")).await.0, 200);
    system.wait_for_rows(1).await;
    assert!(list(place, &[]).await.is_empty());

    // Messages that the database refuses, on both lanes; a foreign message, larger than any of ours;
    // and rejected lines, one of which a larger --max-future accepts.
    database.batch_execute(REFUSE).await.unwrap();
    assert_eq!(system.post(line(13, "2024-05-01T00:00:01Z")).await.0, 200);
    let mut large = String::new();
    for second in 0..LARGE {
        let (hour, minute) = (second / 3600, second / 60 % 60);
        writeln!(
            large,
            "{}",
            line(13, &format!("2024-05-02T{hour:02}:{minute:02}:{:02}Z", second % 60))
        )
        .unwrap();
    }
    assert_eq!(system.post(large).await.0, 200);
    let (server, name) = system.bus.rsplit_once('/').unwrap();
    let nats = async_nats::connect(server).await.unwrap();
    for lane in ["live", "bulk"] {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("who", "a stranger");
        headers.insert("Nats-Msg-Id", lane);
        let subject = format!("{name}.{lane}");
        nats.publish_with_headers(subject, headers, vec![b'x'; 1_040_000].into())
            .await
            .unwrap();
    }
    nats.flush().await.unwrap();
    let lines = [ahead(), format!("{{{}", "y".repeat(5000)), "nonsense".to_owned()];
    let (status, told) = system.post(lines.join("\n")).await;
    assert_eq!((status, told["rejected"].as_u64()), (400, Some(3)), "{told}");

    let rows = poll(LONG, async || {
        let rows = list(place, &[]).await;
        let readings: u64 = rows.iter().filter_map(|row| row["readings"].as_u64()).sum();
        let junk = rows.iter().filter(|row| row["cutFrom"] == 1_040_000).count();
        let lines = rows.iter().filter(|row| row["kind"] == "line").count();
        (readings == LARGE as u64 + 1 && junk == 2 && lines == 3).then_some(rows)
    })
    .await;
    let of = |kind: &str| rows.iter().filter(|row| row["kind"] == kind).collect::<Vec<_>>();
    let kept = of("line");
    assert_eq!(kept.len(), 3);
    for (at, kept) in kept.iter().enumerate() {
        assert_eq!(kept["upload"], told["id"], "{kept}");
        assert_eq!((&kept["line"], &kept["ordinal"]), (&(at + 1).into(), &(at + 1).into()));
        assert_eq!(kept["reason"], told["invalid"][at]["reason"]);
        assert_eq!(kept["device"], "default");
    }
    assert_eq!(kept[0]["reading"], lines[0].as_str());
    assert_eq!(kept[1]["reading"].as_str().unwrap().len(), 4096);
    assert_eq!((kept[0].get("cut"), &kept[1]["cut"]), (None, &Value::Bool(true)));
    for lane in ["live", "bulk"] {
        let found = of("message")
            .into_iter()
            .find(|row| row["lane"] == lane && row["reason"] == "the database refuses it (SQLSTATE 23514)");
        let event = found.unwrap_or_else(|| panic!("none of lane {lane}: {rows:?}"));
        let (_, shown) = dead(place, &["show", &event["id"].to_string()]).await;
        let shown: Value = serde_json::from_str(&shown.concat()).unwrap();
        assert_eq!(shown["event"], event["event"]);
    }
    // The headers of a foreign message are kept, except those for the server.
    for junk in rows.iter().filter(|row| row["cutFrom"] == 1_040_000) {
        assert_eq!(junk["headers"], serde_json::json!(["who: a stranger"]));
        assert_eq!(junk["bytes"], 1_000_000);
    }
    assert_eq!(list(place, &["--limit", "2"]).await.len(), 2);
    assert!(list(place, &["--since", "2100-01-01T00:00:00Z"]).await.is_empty());

    // Until the cause is fixed, the message becomes a dead letter again, and nothing is lost.
    let (code, said) = dead(place, &[&["redrive", "--all", "--max-future", "1h"], &bus[..]].concat()).await;
    assert_eq!(code, 1, "{said:?}");
    poll(LONG, async || {
        let rows = list(place, &["--kind", "message"]).await;
        let readings: u64 = rows.iter().filter_map(|row| row["readings"].as_u64()).sum();
        (readings == LARGE as u64 + 1).then_some(())
    })
    .await;
    system.wait_for_rows(1).await;
    database.batch_execute(DROP_CONSTRAINT).await.unwrap();
    let (code, said) = dead(place, &[&["redrive", "--all"], &bus[..]].concat()).await;
    assert_eq!(code, 1, "{said:?}");
    system.wait_for_rows(1 + LARGE as i64 + 1 + 1).await;
    let failed: i64 = database
        .query_one("SELECT sum(failed)::int8 FROM receipt", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(failed, 0);
    // The upload's receipt stays true; the redriven line is an upload of its own.
    let (_, receipt) = system.get(&format!("ingests/{}", told["id"].as_str().unwrap())).await;
    let counts = ["accepted", "rejected", "persisted"].map(|count| receipt[count].as_u64());
    assert_eq!(counts, [Some(0), Some(3), Some(0)], "{receipt}");
    let more = "SELECT count(*) FROM (SELECT FROM receipt GROUP BY upload
                HAVING sum(persisted + duplicates + conflicts + failed) <> max(accepted)) AS uneven";
    assert_eq!(database.query_one(more, &[]).await.unwrap().get::<_, i64>(0), 0);

    let left = list(place, &[]).await;
    let numbers: Vec<_> = left.iter().filter_map(|row| row["line"].as_u64()).collect();
    assert_eq!((left.len(), &*numbers), (4, &[2, 3][..]), "{left:?}");
    assert_eq!(
        dead(place, &["purge", "--all"]).await.0,
        2,
        "nobody is there to be asked"
    );
    assert_eq!(
        dead(place, &["purge", "--before", "2020-01-01T00:00:00Z", "--yes"])
            .await
            .0,
        0
    );
    let first = left[0]["id"].to_string();
    assert_eq!(dead(place, &["purge", &first, "--yes"]).await.0, 0);
    assert_eq!(
        dead(place, &["purge", &first, "--yes"]).await.0,
        1,
        "it is gone already"
    );
    assert!(!list(place, &[]).await.is_empty());
    assert_eq!(dead(place, &["purge", "--all", "--yes"]).await.0, 0);
    assert!(list(place, &[]).await.is_empty());
    assert_eq!(dead(place, &["redrive"]).await.0, 2, "which ones?");
}

#[tokio::test]
async fn dead_letters_without_a_bus() {
    let database = testutil::database().await;
    let folder = tempfile::tempdir().unwrap();
    let mut up = Program::new("odograph")
        .args(["up", "--api-port", "0", "--max-future", "1h", "--data-dir"])
        .arg(folder.path())
        .env("DATABASE_URL", database.url())
        .env("API_KEY", KEY)
        .start()
        .await;
    let (http, url) = (client(), format!("{}/ingest", up.url().await));
    let post = async |body: String| answer(http.post(&url).bearer_auth(KEY).body(body).send().await.unwrap()).await;
    let sql = connect(&database.url()).await;
    let place_url = database.url();
    let place = ("DATABASE_URL", &*place_url);

    assert_eq!(post(line(1, "2024-05-01T00:00:00Z")).await.0, 200);
    sql.batch_execute(REFUSE).await.unwrap();
    assert_eq!(post(line(13, "2024-05-01T00:00:01Z")).await.0, 200);
    let (status, told) = post(format!("nonsense\n{}\n", ahead())).await;
    assert_eq!(status, 400);
    let rows = list(place, &[]).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    let message = rows.iter().find(|row| row["kind"] == "message").unwrap();
    assert_eq!((&message["lane"], &message["readings"]), (&"live".into(), &1.into()));
    let kept = rows.iter().find(|row| row["line"] == 2).unwrap();
    assert_eq!(kept["upload"], told["id"]);

    let id = message["id"].to_string();
    assert_eq!(dead(place, &["redrive", &id]).await.0, 1, "it is still refused");
    assert_eq!(list(place, &[]).await.len(), 3);
    sql.batch_execute(DROP_CONSTRAINT).await.unwrap();
    assert_eq!(dead(place, &["redrive", &id]).await.0, 0);
    assert_eq!(dead(place, &["redrive", &id]).await.0, 1, "it is gone");
    assert_eq!(dead(place, &["redrive", "--all"]).await.0, 1, "nonsense stays nonsense");
    let left = list(place, &[]).await;
    assert_eq!((left.len(), &left[0]["line"]), (1, &1.into()), "{left:?}");
    let rows: i64 = sql.query_one("SELECT count(*) FROM reading", &[]).await.unwrap().get(0);
    assert_eq!(rows, 3);
    assert_eq!(dead(place, &["purge", "--all", "--yes"]).await.0, 0);
    assert!(list(place, &[]).await.is_empty());
}
