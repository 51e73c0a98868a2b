//! A database that the last release has filled goes on under today's programs.

use crate::system::{KEY, LONG, answer, client, connect};
use testutil::{Program, workspace};

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
    let mut up = Program::new("odograph")
        .args(["up", "--api-port", "0", "--data-dir"])
        .arg(folder.path())
        .env("DATABASE_URL", database.url())
        .env("API_KEY", KEY)
        .start()
        .await;
    // A reading that is there, one with another value, a new one, one of a new month.
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

    // Its dead letters are as it wrote them, and arrive.
    let place_url = database.url();
    let place = ("DATABASE_URL", &*place_url);
    let letters = crate::dead::list(place, &[]).await;
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
