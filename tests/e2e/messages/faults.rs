//! Busy servers, clients that keep silent, no database, kills.

use super::{calls, client, narrow_server, peer, port, server};
use crate::system::LONG;
use serde_json::json;
use std::process::Stdio;
use testutil::{Program, Signal, workspace};
use tokio::process::Command;
use tokio::time::timeout;

#[tokio::test]
async fn busy_servers_and_late_answers_say_so() {
    let database = testutil::database().await;
    let flags = ["--max-in-flight", "1", "--max-store", "1"];
    let mut server = server(&database)
        .args(flags)
        .env("API_KEY", "the key of the server")
        .start()
        .await;
    let port = port(&mut server).await;
    let key = "the key of the server";
    // Its first look tells that the store is full.
    testutil::poll(LONG, async || {
        let answer = calls(port, json!([{"method": "PutBatch", "id": "a", "key": key}]))
            .await
            .remove(0);
        (answer["status"] == "RESOURCE_EXHAUSTED").then(|| assert_eq!(answer["retry"], true, "{answer}"))
    })
    .await;
    // Silent calls take no place without the key, and with it one that is given back at the deadline.
    let steps = json!([
        {"method": "GetBatch", "silent": 3}, {"method": "GetBatch", "ids": 1, "key": key},
        {"method": "GetBatch", "silent": 1, "key": key, "timeout": 3}, {"method": "GetBatch", "ids": 1, "key": key},
    ]);
    let answers = calls(port, steps).await;
    assert_eq!(answers[1]["status"], "OK", "{answers:?}");
    assert_eq!(
        (&answers[3]["status"], &answers[3]["retry"]),
        (&json!("RESOURCE_EXHAUSTED"), &json!(true)),
        "{answers:?}"
    );
    testutil::poll(LONG, async || {
        let answer = calls(port, json!([{"method": "GetBatch", "ids": 1, "key": key}]))
            .await
            .remove(0);
        (answer["status"] == "OK").then_some(())
    })
    .await;
}

/// Clients that keep connections and streams open do not keep the program.
#[tokio::test]
async fn a_server_ends_while_clients_watch_and_keep_silent() {
    let database = testutil::database().await;
    let mut server = server(&database).start().await;
    let port = port(&mut server).await;
    let silent = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut watching = Command::new(peer("bin/grpcurl"))
        .args([
            "-plaintext",
            &format!("localhost:{port}"),
            "grpc.health.v1.Health/Watch",
        ])
        .env(
            "PATH",
            format!("{}:{}", peer("bin").display(), std::env::var("PATH").unwrap()),
        )
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    let mut said = watching.stdout.take().unwrap();
    timeout(LONG, tokio::io::AsyncReadExt::read_exact(&mut said, &mut first))
        .await
        .unwrap()
        .unwrap();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(LONG).await, 0, "{}", server.output().join("\n"));
    let log = server.output().join("\n");
    assert!(!log.contains("leaving them"), "{log}");
    drop(silent);
}

/// Without a key, this machine's own address is the only one that is served, unless the server is open.
#[tokio::test]
async fn without_a_key_only_this_machine_is_let_in() {
    let database = testutil::database().await;
    // Another address of this machine, which stands for all that are not 127.0.0.1.
    let beside = async |port: u16| tokio::net::TcpStream::connect(("127.0.0.2", port)).await.is_ok();
    let mut local = server(&database).start().await;
    let at = port(&mut local).await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", at)).await.is_ok() && !beside(at).await);
    let mut open = server(&database).arg("--open").start().await;
    let at = port(&mut open).await;
    assert!(beside(at).await);
    let mut keyed = server(&database).env("API_KEY", "a key of the server").start().await;
    let at = port(&mut keyed).await;
    assert!(beside(at).await);
}

/// A call that its client does not finish is left, in time for a clean end.
#[tokio::test]
async fn a_server_leaves_clients_that_do_not_finish() {
    let database = testutil::database().await;
    let flags = ["--max-in-flight", "1", "--shutdown-timeout", "5s"];
    let mut server = server(&database).args(flags).start().await;
    let port = port(&mut server).await;
    let unfinished = json!([{"method": "GetBatch", "silent": 1, "awaited": true}]);
    let calling = tokio::spawn(calls(port, unfinished));
    testutil::poll(LONG, async || {
        let answer = calls(port, json!([{"method": "GetBatch", "ids": 1}])).await;
        (answer[0]["status"] == "RESOURCE_EXHAUSTED").then_some(())
    })
    .await;
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(LONG).await, 0, "{}", server.output().join("\n"));
    let log = server.output().join("\n");
    assert!(log.contains("leaving them"), "{log}");
    assert_eq!(calling.await.unwrap()[0]["status"], "UNAVAILABLE");
}

/// The variables of the forerunner, and what it kept its messages in.
#[tokio::test]
async fn the_variables_of_the_forerunner_start_it() {
    let database = testutil::database().await;
    let url = database.url();
    // It may name a socket.
    let (whole, parameters) = url.split_once('?').unwrap_or((&url, ""));
    let (server, name) = whole.rsplit_once('/').unwrap();
    let mut started = Program::new("messages")
        .env("API_PORT", "0")
        .env("DB_URI", format!("{server}/?{parameters}"))
        .env("DB_NAME", name)
        .env("DB_TABLE_NAME", "messages")
        .env("DB_RETENTION_PERIOD", "168h")
        .env("LOG_LEVEL", "-4")
        .start()
        .await;
    let answers = calls(port(&mut started).await, json!([{"method": "PutBatch", "id": "a"}])).await;
    assert_eq!(answers[0]["status"], "OK", "{answers:?}");
    let mut refused = Program::new("messages")
        .env("DB_URI", "mongodb://localhost/messages")
        .spawn();
    assert_eq!(refused.wait(LONG).await, 2);
    let said = refused.output().join("\n");
    assert!(said.contains("write postgres://USER:PASSWORD@HOST/DATABASE"), "{said}");
}

/// While the database is away, calls are to be sent again, and health says so.
#[tokio::test]
async fn without_its_database_a_server_waits() {
    let address = "postgres://127.0.0.1:1/nothing";
    let mut waiting = Program::new("messages")
        .env("DATABASE_URL", address)
        .env("API_PORT", "0")
        .spawn();
    let port = port(&mut waiting).await;
    let answers = calls(port, json!([{"method": "PutBatch", "id": "a"}, {"method": "GetBatch", "ids": 1}, {"health": "awakari.messages.Service"}, {"health": ""}])).await;
    let found: Vec<_> = answers
        .iter()
        .map(|answer| answer["status"].as_str().unwrap())
        .collect();
    assert_eq!(found, ["UNAVAILABLE", "UNAVAILABLE", "NOT_SERVING", "NOT_SERVING"]);
    assert_eq!(answers[0]["retry"], true);
    waiting.signal(Signal::SIGTERM);
    assert_eq!(waiting.wait(LONG).await, 0);
}

/// A disk that is full of messages that are past their time has no room for the next epoch. They go all the same.
#[tokio::test]
async fn epochs_go_while_none_can_be_opened() {
    let database = testutil::database().await;
    // Looked at every eight seconds.
    let mut server = server(&database).args(["--retention", "10m"]).start().await;
    let port = port(&mut server).await;
    let client = client(&database).await;
    let put = async |id: &str| {
        let answers = calls(port, json!([{"method": "PutBatch", "id": id}])).await;
        assert_eq!(answers[0]["status"], "OK", "{answers:?}");
    };
    put("old").await;
    let due = "UPDATE epoch SET opened = opened - interval '1 hour', closed = closed - interval '1 hour'";
    client.batch_execute(due).await.unwrap();
    put("new").await;
    let full = "CREATE OR REPLACE FUNCTION make_partition(parent regclass, child text, since text, until text)
        RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no space is left' USING ERRCODE = 'disk_full'; END $$;";
    client.batch_execute(&format!("{full} {due}")).await.unwrap();
    testutil::poll(LONG, async || {
        let select = "SELECT to_regclass('message_1') IS NULL AND EXISTS (SELECT FROM message)";
        let is_gone: bool = client.query_one(select, &[]).await.unwrap().get(0);
        is_gone.then_some(())
    })
    .await;
}

/// Four writers, each of which notes what was acknowledged, while the server is killed: all of it is there, once.
#[tokio::test]
async fn what_was_acknowledged_survives_kills() {
    let database = testutil::database().await;
    let mut running = narrow_server(&database).await.start().await;
    let port = port(&mut running).await;
    let script = workspace().join("tests/e2e/messages/writers.py");
    let folder = tempfile::tempdir().unwrap();
    let stop = folder.path().join("stop");
    let question = json!({"address": format!("localhost:{port}"), "stop": stop, "writers": 4});
    let writing = tokio::spawn(async move { testutil::python(&script, &question).await });
    let stored = async || {
        let client = client(&database).await;
        let rows = client.query_one("SELECT count(*) FROM message", &[]).await;
        rows.map_or(0, |row| row.get::<_, i64>(0))
    };
    for _ in 0..5 {
        let more = stored().await + 200;
        testutil::poll(LONG, async || (stored().await > more).then_some(())).await;
        running.signal(Signal::SIGKILL);
        running.wait(LONG).await;
        let again = narrow_server(&database).await.env("API_PORT", port.to_string());
        running = again.start().await;
    }
    let more = stored().await + 200;
    testutil::poll(LONG, async || (stored().await > more).then_some(())).await;
    std::fs::write(&stop, "").unwrap();
    let answer = writing.await.unwrap();
    assert!(answer["acknowledged"].as_u64().unwrap() > 1000, "{answer}");
    assert_eq!(
        (&answer["missing"], &answer["failed"]),
        (&json!([]), &json!([])),
        "{answer}"
    );
    let client = client(&database).await;
    let twice = "SELECT count(*) FROM (SELECT FROM message GROUP BY id, source HAVING count(*) > 1) AS twice";
    assert_eq!(client.query_one(twice, &[]).await.unwrap().get::<_, i64>(0), 0);
}
