//! The pages for operators, each with servers and data of its own.

use super::{Reader, blocks, free_port};
use crate::dumps::dump_to;
use crate::system::{LONG, System, connect};
use testutil::{poll, unique, workspace};

/// The pages.
pub(super) const PAGES: [&str; 3] = [
    "docs/operate/dead-letters.md",
    "docs/operate/deploy.md",
    "docs/operate/drill.md",
];

fn reading(time: &str) -> String {
    format!(r#"{{"sensor":"speed","value":7,"timestamp":"{time}","device":"lada"}}"#)
}

/// A URL with the name of another database.
fn with_name(url: &str, name: &str) -> String {
    let (before, after) = url.split_once('?').unwrap();
    format!("{}/{name}?{after}", before.rsplit_once('/').unwrap().0)
}

/// Five programs over a database and a nats-server.
#[tokio::test]
async fn of_deploy() {
    let database = testutil::database().await;
    let [nats, ingest, api, notifier] = [(); 4].map(|()| free_port());
    let bus = format!("nats://127.0.0.1:{nats}/readings");
    let mut reader = Reader::with_servers(&database.url(), &bus);
    let on = |program: &str, port| format!("\n{program} --port {port} --admin-port 0 &");
    reader.servers.extend([
        ("$PWD/.tools/bin", workspace().join(".tools/bin").display().to_string()),
        (
            "nats-server --config",
            format!("export EVENT_READER_URL={bus} EVENT_WRITER_URL={bus}\nnats-server --addr 127.0.0.1 --port {nats} --config"),
        ),
        ("\npersistor &", "\npersistor --admin-port 0 &".to_owned()),
        ("\ningestor &", on("ingestor", ingest)),
        ("\napi &", on("api", api)),
        ("\nnotifier &", on("notifier", notifier)),
    ]);
    let [programs, dumper] = <[_; 2]>::try_from(blocks("docs/operate/deploy.md")).ok().unwrap();
    let running = reader.begin(&programs);
    let send = format!(
        "curl -sf -u a-key-of-yours: http://127.0.0.1:{ingest}/ingest --data-binary '{}'",
        reading("2026-06-01T08:00:00Z")
    );
    poll(LONG, async || reader.output(&send).ok()).await;
    let ask = format!("curl -sf http://127.0.0.1:{api}/api/statistics/latest");
    poll(LONG, async || {
        let answer = reader.output(&ask).ok()?;
        answer.contains("\"speed\":7.0").then_some(())
    })
    .await;
    reader.run(&dumper).await;
    assert!(reader.folder.path().join("backups/2026-06-01.manifest.json").exists());
    running.end("TERM");
}

/// A lost database, from a dump and a stream.
#[tokio::test]
async fn of_the_drill() {
    let mut system = System::start(1).await;
    let name = unique("drilled");
    let url = with_name(&system.database.url(), &name);
    let mut reader = Reader::with_servers(&url, &system.bus);
    let socket = url.split_once("host=").unwrap().1.split('&').next().unwrap().to_owned();
    reader.servers.extend([
        ("--host 127.0.0.1 --username", format!("--host {socket} --username")),
        ("odograph odograph ", format!("odograph {name} ")),
    ]);
    let readings = ["2024-04-30T12:00:00Z", "2024-05-01T12:00:00Z"].map(reading);
    assert_eq!(system.post(readings.join("\n")).await.0, 200);
    system.wait_for_judged(2.0).await;
    let dumps = format!("file://{}", reader.folder.path().join("backups").display());
    for day in ["2024-04-30", "2024-05-01"] {
        dump_to(&system, &dumps, day).await;
    }
    reader.add_programs();
    for block in blocks("docs/operate/drill.md") {
        reader.run(&block).await;
    }
    let client = connect(&url).await;
    let row = client.query_one("SELECT count(*) FROM reading", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 2);
    drop(client);
    let server = connect(&system.database.url()).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    server.batch_execute(&drop).await.unwrap();
}

/// A line that was too old for its ingestor, and is not any more.
#[tokio::test]
async fn of_dead_letters() {
    let system = System::start_with(1, &["--oldest", "2013-01-01T00:00:00Z"]).await;
    assert_eq!(system.post(reading("2012-05-01T12:00:00Z")).await.0, 400);
    let client = connect(&system.database.url()).await;
    let id: i64 = poll(LONG, async || {
        let row = client.query_opt("SELECT id FROM dead_letter", &[]).await.unwrap();
        row.map(|row| row.get(0))
    })
    .await;
    let mut reader = Reader::with_servers(&system.database.url(), &system.bus);
    reader.servers.extend([
        ("show 17", format!("show {id}")),
        ("redrive 17", format!("redrive {id}")),
        // No terminal to ask on.
        ("dead purge", "dead purge --yes".to_owned()),
    ]);
    reader.add_programs();
    for block in blocks("docs/operate/dead-letters.md") {
        reader.run(&block).await;
    }
    system.wait_for_rows(1).await;
    let left = client.query_one("SELECT count(*) FROM dead_letter", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}
