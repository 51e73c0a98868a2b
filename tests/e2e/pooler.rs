//! PgBouncer between the programs and PostgreSQL.

use crate::system::{KEY, LONG, answer, client, ingestor, up};
use testutil::{PgBouncer, Program, nats_url, unique};

/// All programs that open a database, with this one.
fn programs(url: &str) -> Vec<(&'static str, Program)> {
    let folder = || format!("file://{}", std::env::temp_dir().join(unique("dumps")).display());
    let odograph = |command: &str| Program::new("odograph").arg(command).env("DATABASE_URL", url);
    let bus = nats_url(&unique("readings"));
    vec![
        ("persistor", crate::system::persistor(&bus, url)),
        ("api", Program::new("api").env("DATABASE_URL", url)),
        (
            "notifier",
            Program::new("notifier")
                .env("DATABASE_URL", url)
                .env("SIGNING_KEY", "a signing key that is long enough for all"),
        ),
        (
            "messages",
            Program::new("messages").env("DATABASE_URL", url).env("API_PORT", "0"),
        ),
        (
            "dumper",
            Program::new("dumper")
                .env("DATABASE_URL", url)
                .env("BLOB_STORE_URL", folder()),
        ),
        (
            "up",
            odograph("up")
                .env("API_KEY", KEY)
                .args(["--api-port", "0", "--data-dir"])
                .arg(std::env::temp_dir().join(unique("up"))),
        ),
        ("migrate", odograph("migrate")),
        ("rebuild", odograph("rebuild").env("EVENT_READER_URL", &bus)),
        ("restore", odograph("restore").env("BLOB_STORE_URL", folder())),
        ("dead", odograph("dead").arg("list")),
        ("verify", Program::new("odograph").args(["verify", url, url])),
    ]
}

#[tokio::test]
async fn every_program_refuses_shared_sessions_by_name() {
    let database = testutil::database().await;
    let bus = nats_url(&unique("readings"));
    // Makes the stream that a rebuild reads.
    let _ingestor = ingestor(&bus).start().await;
    for mode in ["transaction", "statement"] {
        let bouncer = PgBouncer::start(&database.url(), mode, &[]).await;
        for (name, program) in programs(&bouncer.url()) {
            let mut process = program.spawn();
            let code = process.wait(LONG).await;
            let said = process.output().join("\n");
            assert_eq!(code, 1, "{name}, {mode}: {said}");
            assert!(
                said.contains("PgBouncer in transaction mode") && said.contains("pool_mode = session"),
                "{name}, {mode}: {said}"
            );
        }
    }
}

#[tokio::test]
async fn readings_go_through_sessions_of_their_own() {
    let database = testutil::database().await;
    let bouncer = PgBouncer::start(&database.url(), "session", &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut up = up(folder.path(), &bouncer.url()).start().await;
    let body = r#"{"sensor":"speed","value":58,"timestamp":"2024-05-01T00:00:06Z","device":"lada"}"#;
    let url = format!("{}/ingest", up.url().await);
    let (status, told) = answer(client().post(&url).bearer_auth(KEY).body(body).send().await.unwrap()).await;
    assert_eq!(status, 200, "{told}");
    let api = format!("http://{}/api", up.address("api").await);
    let (_, latest) = answer(client().get(format!("{api}/statistics/latest")).send().await.unwrap()).await;
    assert_eq!(latest["speed"], 58.0);
}
