//! The end of a service with clients: held answers are sent at once, half a request does not delay it, and
//! waits for other programs are given up in time. If the end took the whole shutdown timeout, the exit
//! code would be 1.

use crate::system::{self, KEY, LONG, answer, client, connect};
use serde_json::{Value, json};
use std::net::SocketAddr;
use testutil::{Nats, Process, Program, Signal, nats, nats_url, poll, unique};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Asks in a task of its own.
fn ask(url: String) -> JoinHandle<(u16, Value)> {
    tokio::spawn(async move { answer(client().get(url).send().await.unwrap()).await })
}

async fn api(database: &str, timeout: &str) -> Process {
    Program::new("api")
        .env("DATABASE_URL", database)
        .args(["--shutdown-timeout", timeout])
        .start()
        .await
}

/// Waits until another session of the database fulfils this condition.
async fn session(url: &str, condition: &str) {
    let client = connect(url).await;
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
    );
    poll(LONG, async || {
        let found: i64 = client.query_one(&count, &[]).await.unwrap().get(0);
        (found > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn held_receipts_are_answered_as_they_stand() {
    let database = testutil::database().await;
    let mut api = api(&database.url(), "10s").await;
    let url = format!("{}/api/ingests/{}?wait=30s", api.url().await, uuid::Uuid::now_v7());
    let held: Vec<_> = (0..20).map(|_| ask(url.clone())).collect();
    session(&database.url(), "query LIKE '%FROM receipt%'").await;
    api.signal(Signal::SIGTERM);
    for held in held {
        let (status, receipt) = held.await.unwrap();
        assert_eq!((status, &receipt["status"]), (200, &json!("pending")), "{receipt}");
    }
    assert_eq!(api.wait(LONG).await, 0, "{:?}", api.output());
}

/// Connections with half of a request's head, of the first or the second request.
async fn half_heads(address: SocketAddr, path: &str) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    let whole = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    for half in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nhost: x\r\nx: y"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        streams.push(stream);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{whole}{half}").as_bytes()).await.unwrap();
        // After the answer to the first, the half has been read as well.
        stream.read_exact(&mut [0; 12]).await.unwrap();
        streams.push(stream);
    }
    streams
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_the_end() {
    let (database, bus) = (testutil::database().await, nats_url(&unique("readings")));
    let mut ingestor = system::ingestor(&bus).args(["--shutdown-timeout", "10s"]).start().await;
    let mut api = api(&database.url(), "10s").await;
    for process in [&mut ingestor, &mut api] {
        let [main, admin] = [process.address("main").await, process.address("admin").await];
        let mut halves = half_heads(main, "/health").await;
        halves.extend(half_heads(admin, "/livez").await);
        process.signal(Signal::SIGTERM);
        assert_eq!(process.wait(LONG).await, 0, "{:?}", process.output());
    }
}

#[tokio::test]
async fn a_question_that_the_database_does_not_answer() {
    let database = testutil::database().await;
    let mut api = api(&database.url(), "5s").await;
    let locker = connect(&database.url()).await;
    locker
        .batch_execute("BEGIN; LOCK TABLE series IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let asked = ask(format!("{}/api/statistics/latest", api.url().await));
    session(&database.url(), "wait_event_type = 'Lock'").await;
    api.signal(Signal::SIGTERM);
    let (status, problem) = asked.await.unwrap();
    assert_eq!(status, 503, "{problem}");
    assert_eq!(api.wait(LONG).await, 0, "{:?}", api.output());
}

/// Finishes an upload that began before the program was asked to end; returns its answer.
async fn finish(mut upload: TcpStream) -> String {
    let line = br#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;
    let mut body = line.to_vec();
    body.resize(system::HALF, b'\n');
    upload.write_all(&body).await.unwrap();
    let mut said = String::new();
    timeout(LONG, upload.read_to_string(&mut said)).await.unwrap().unwrap();
    said
}

#[tokio::test]
async fn an_upload_that_the_bus_does_not_take() {
    let mut nats = Nats::start(nats::Options::default()).await;
    let bus = format!("{}/readings", nats.url());
    let mut ingestor = system::ingestor(&bus).args(["--shutdown-timeout", "4s"]).start().await;
    let upload = system::half_an_upload(ingestor.address("main").await, KEY).await;
    nats.running().unwrap().signal(Signal::SIGSTOP);
    ingestor.signal(Signal::SIGTERM);
    let said = finish(upload).await;
    assert!(
        said.contains("HTTP/1.1 503 ") && said.contains("\"accepted\":0"),
        "{said}"
    );
    assert_eq!(ingestor.wait(LONG).await, 0, "{:?}", ingestor.output());
    nats.running().unwrap().signal(Signal::SIGCONT);
}
