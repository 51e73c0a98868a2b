//! `odograph rebuild`: restores a lost database from the stream's history.

use crate::snapshot::{failures, pin};
use crate::source::bodies;
use crate::system::{LONG, System, connect};
use testutil::{Database, Process, Program};

fn rebuild(system: &System, database: &Database) -> Program {
    Program::new("odograph")
        .arg("rebuild")
        .env("EVENT_READER_URL", &system.bus)
        .env("DATABASE_URL", database.url())
}

/// The standard output of a process that succeeds.
async fn said(mut process: Process) -> String {
    let code = process.wait(LONG).await;
    let said = process.stdout().join("\n");
    assert_eq!(code, 0, "{said} {}", process.output().join("\n"));
    said
}

/// What a rebuild says of these readings.
fn counts(persisted: u64, duplicates: u64) -> String {
    format!(
        "{persisted} readings persisted, {duplicates} duplicates, 0 conflicts; 0 messages cannot be stored, 0 dead letters of rejected lines added"
    )
}

#[tokio::test]
async fn the_history_makes_the_same_database_again() {
    let bodies = bodies().await;
    let mut system = System::start(1).await;
    let mut lines = 0;
    for body in &bodies {
        let (status, answer) = system.post(body.text.clone()).await;
        assert_eq!(status, 200, "{answer}");
        lines += answer["accepted"].as_u64().unwrap();
    }
    system.wait_for_judged(lines as f64).await;
    let (rows, latest) = (system.rows().await, system.latest().await);

    let lost = std::mem::replace(&mut system.database, testutil::database().await);
    let said_first = said(rebuild(&system, &system.database).spawn()).await;
    // Recordings and simulated drives have their own numbers.
    let duplicates = lines - rows.len() as u64;
    assert_eq!(said_first, counts(rows.len() as u64, duplicates));
    assert!(rows == system.rows().await, "the rows differ");
    assert!(latest == system.latest().await, "the latest values differ");

    // A second rebuild finds only duplicates; later readings are only in the live database.
    let said_again = said(rebuild(&system, &system.database).spawn()).await;
    assert_eq!(said_again, counts(0, lines));
    let now = jiff::Timestamp::now().to_string();
    let line = r#"{"sensor":"speed","value":1,"timestamp":"2025-05-01T12:00:00Z"}"#;
    assert_eq!(system.post(line).await.0, 200);
    let live = connect(&lost.url()).await;
    testutil::poll(LONG, async || {
        let row = live.query_one("SELECT count(*) FROM reading", &[]).await.ok()?;
        (row.get::<_, i64>(0) == rows.len() as i64 + 1).then_some(())
    })
    .await;
    assert_eq!(system.rows().await.len(), rows.len());
    let said_late = said(rebuild(&system, &system.database).args(["--from", &now]).spawn()).await;
    pin("a_rebuild_of_one_reading", &said_late);
}

/// Subscriptions are told of what no persistor had acknowledged yet, and not again of the rest.
#[tokio::test]
async fn changes_are_written_of_what_was_not_acknowledged() {
    let mut system = System::start(1).await;
    let line = |second: u32, value: u32| {
        format!("{{\"sensor\":\"speed\",\"value\":{value},\"timestamp\":\"2025-05-01T12:00:0{second}Z\"}}\n")
    };
    assert_eq!(system.post(line(1, 1)).await.0, 200);
    system.wait_for_judged(1.0).await;
    system.persistors[0].kill9().await;
    assert_eq!(system.post(line(2, 1)).await.0, 200);

    system.database = testutil::database().await;
    // Makes the schema, and stores nothing.
    let later = jiff::Timestamp::now().to_string();
    said(rebuild(&system, &system.database).args(["--from", &later]).spawn()).await;
    let database = connect(&system.database.url()).await;
    let watch = r#"UPDATE interest SET version = version + 1, patterns = '[{"device":"*","sensors":["speed"]}]'"#;
    database.execute(watch, &[]).await.unwrap();
    let said = said(rebuild(&system, &system.database).spawn()).await;
    assert_eq!(said, counts(2, 0));
    let select = "SELECT (extract(epoch FROM unnest(firsts)) * 1000)::int8 % 10000 FROM change";
    let rows = database.query(select, &[]).await.unwrap();
    let told: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(told, [2000]);
}

/// Under a load that never ends, rebuild and verify end with the history at their start.
#[tokio::test]
async fn what_is_published_meanwhile_is_no_part_of_it() {
    let mut system = System::start(1).await;
    let line = r#"{"sensor":"speed","value":1,"timestamp":"2025-05-01T12:00:00Z"}"#;
    assert_eq!(system.post(line).await.0, 200);
    system.wait_for_judged(1.0).await;
    let (server, name) = system.bus.rsplit_once('/').unwrap();
    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
    let stream = jetstream.get_stream(name.to_uppercase()).await.unwrap();
    let sent = stream.get_raw_message(1).await.unwrap();
    let publishing = {
        let subject = format!("{name}.bulk");
        tokio::spawn(async move {
            loop {
                let mut headers = sent.headers.clone();
                headers.insert("ce-id", uuid::Uuid::new_v4().to_string());
                let stored = jetstream.publish_with_headers(subject.clone(), headers, sent.payload.clone());
                stored.await.unwrap().await.unwrap();
            }
        })
    };
    let database = testutil::database().await;
    let first = said(rebuild(&system, &database).spawn()).await;
    assert!(first.starts_with("1 readings persisted"), "{first}");
    let compared = Program::new("odograph")
        .args(["verify", &system.bus, &database.url()])
        .spawn();
    said(compared).await;
    assert!(!publishing.is_finished(), "the load has ended");
    publishing.abort();
}

#[tokio::test]
async fn what_cannot_be_rebuilt_from_is_said() {
    let database = testutil::database().await;
    let nowhere = testutil::nats_url("nowhere");
    let mut failed = Vec::new();
    for (bus, code) in [("memory://readings", 2), (&*nowhere, 1)] {
        let mut process = Program::new("odograph")
            .arg("rebuild")
            .env("EVENT_READER_URL", bus)
            .env("DATABASE_URL", database.url())
            .spawn();
        assert_eq!(process.wait(LONG).await, code, "{bus}");
        failed.push(failures(&process.output()));
    }
    pin("what_cannot_be_rebuilt_from", &failed.join("\n"));
}
