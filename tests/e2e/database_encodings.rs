//! Databases in other encodings than UTF-8 keep clients' text unchanged.

use crate::dead::{dead, list};
use crate::system::{KEY, LONG, answer, client, connect, up};
use reqwest::header::HeaderValue;
use serde_json::Value;
use testutil::{Program, database_in, poll};

#[tokio::test]
async fn every_encoding_is_migrated() {
    for encoding in ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP", "KOI8R"] {
        let database = database_in(encoding).await;
        if encoding == "LATIN1" {
            leave_at_version_3(&database.url()).await;
        }
        for _ in 0..2 {
            let mut migrating = Program::new("odograph")
                .arg("migrate")
                .env("DATABASE_URL", database.url())
                .spawn();
            let code = migrating.wait(LONG).await;
            assert_eq!(code, 0, "{encoding}: {}", migrating.output().join("\n"));
        }
    }
}

/// Brings a LATIN1 database to the state in which the last release gave up.
async fn leave_at_version_3(url: &str) {
    let sql = connect(url).await;
    let history = "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))";
    sql.batch_execute(history).await.unwrap();
    for (version, name, checksum) in [
        (1, "readings", "3825866066436518244"),
        (2, "receipts", "14877413562270828390"),
        (3, "retention", "17986223608524094916"),
    ] {
        let file = testutil::workspace().join(format!("migrations/V{version}__{name}.sql"));
        let applied = format!(
            "INSERT INTO refinery_schema_history VALUES ({version}, '{name}', '2026-11-25T18:04:37Z', '{checksum}')"
        );
        for statements in [std::fs::read_to_string(file).unwrap(), applied] {
            sql.batch_execute(&statements).await.unwrap();
        }
    }
}

#[tokio::test]
async fn dead_letters_in_latin1() {
    dead_letters("LATIN1").await;
}

#[tokio::test]
async fn dead_letters_in_sql_ascii() {
    dead_letters("SQL_ASCII").await;
}

async fn dead_letters(encoding: &str) {
    let database = database_in(encoding).await;
    let folder = tempfile::tempdir().unwrap();
    let mut up = up(folder.path(), &database.url()).start().await;
    let url = format!("{}/ingest", up.url().await);
    let post = async |body: &[u8], correlation: &[u8]| {
        let upload = client().post(&url).bearer_auth(KEY).body(body.to_vec());
        let correlation = HeaderValue::from_bytes(correlation).unwrap();
        answer(upload.header("X-Correlation-Id", correlation).send().await.unwrap()).await
    };
    let place_url = database.url();
    let place = ("DATABASE_URL", &*place_url);
    let sql = connect(&database.url()).await;

    // A message that the database refuses for a while, then invalid lines.
    let good = br#"{"sensor":"speed","value":13,"timestamp":"2024-05-01T00:00:01Z"}"#;
    let first = br#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T00:00:00Z"}"#;
    assert_eq!(post(first, b"trip~1").await.0, 200);
    let refuse = "ALTER TABLE reading_2024_05 ADD CONSTRAINT unlucky CHECK (value <> 13)";
    sql.batch_execute(refuse).await.unwrap();
    assert_eq!(post(good, "größe€".as_bytes()).await.0, 200);
    let drop_constraint = "ALTER TABLE reading_2024_05 DROP CONSTRAINT unlucky";
    sql.batch_execute(drop_constraint).await.unwrap();
    let lines: [&[u8]; 6] = [
        b"non\0sense",
        "größe, €, 速度, 🚗 and 100%25".as_bytes(),
        r#"{"sensor":"größe€","value":1,"timestamp":"2024-05-01T00:00:03Z"}"#.as_bytes(),
        r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T00:00:03Z","device":"速度"}"#.as_bytes(),
        br#"{"sensor":"spe\u0000ed","value":1,"timestamp":"2024-05-01T00:00:03Z"}"#,
        b"caf\xe9 \x80\x00 \xed\xa0\x80",
    ];
    let (status, told) = post(&lines.join(&b'\n'), b"caf\xe9").await;
    assert_eq!((status, told["rejected"].as_u64()), (400, Some(6)), "{told}");

    let letters = list(place, &[]).await;
    let (messages, kept): (Vec<&Value>, Vec<&Value>) = letters.iter().partition(|letter| letter["kind"] == "message");
    assert_eq!((messages.len(), kept.len()), (1, 6), "{letters:?}");
    for (kept, line) in kept.iter().zip(lines) {
        match std::str::from_utf8(line) {
            Ok(line) => assert_eq!(kept["reading"], line),
            Err(_) => assert_eq!(kept["raw"], "Y2Fm6SCAACDtoIA=", "{kept}"),
        }
        assert_eq!(kept["upload"], told["id"]);
    }
    let id = kept[0]["id"].to_string();
    let (code, shown) = dead(place, &["show", &id]).await;
    let shown: Value = serde_json::from_str(&shown.concat()).unwrap();
    assert_eq!((code, &shown["lines"][1]["reading"]), (0, &kept[1]["reading"]));
    let (code, payload) = dead(place, &["show", &id, "--payload"]).await;
    assert_eq!((code, payload.len()), (0, 6), "{payload:?}");
    // The example of the tour.
    let tour = std::fs::read_to_string(testutil::workspace().join("docs/tour.md")).unwrap();
    let example = tour.lines().find(|line| line.contains("FROM dead_letter")).unwrap();
    let rows = sql.simple_query(example).await.unwrap();
    assert!(rows.len() > 2, "{rows:?}");

    // The message arrives; the invalid lines are rejected again, then purged.
    let (code, said) = dead(place, &["redrive", "--all"]).await;
    assert_eq!(code, 1, "{said:?}");
    poll(LONG, async || {
        let count = sql.query_one("SELECT count(*) FROM readings", &[]).await.unwrap();
        (count.get::<_, i64>(0) == 2).then_some(())
    })
    .await;
    assert_eq!(list(place, &[]).await.len(), 6);
    assert_eq!(dead(place, &["purge", "--all", "--yes"]).await.0, 0);
    assert!(list(place, &[]).await.is_empty());
}
