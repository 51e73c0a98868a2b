//! The live stream, through faults: no last value is missed. And its end: of the program, of a slow listener, of a pipe.

use crate::system::{KEY, LONG, System, answer, client, connect, ingestor, persistor};
use std::process::Stdio;
use testutil::{Nats, Postgres, Process, Program, Signal, built, nats, poll};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

/// A reading of this second, with the second as its value.
fn line(second: u8) -> String {
    format!(r#"{{"sensor":"speed","value":{second},"timestamp":"2024-05-01T12:00:{second:02}Z"}}"#)
}

/// Waits until `odograph tail` has printed the reading of this second.
async fn tells(tail: &Process, second: u8) {
    let line = format!("default speed {second} km/h 2024-05-01T12:00:{second:02}Z");
    poll(LONG, async || tail.stdout().contains(&line).then_some(())).await;
}

#[tokio::test]
async fn no_last_value_is_missed_when_parts_are_killed() {
    let mut nats = Nats::start(nats::Options::default()).await;
    let mut postgres = Postgres::start().await;
    let (bus, database) = (format!("{}/readings", nats.url()), postgres.url().to_owned());
    let mut ingestor = ingestor(&bus).start().await;
    let _persistor = persistor(&bus, &database).start().await;
    let api = |port: u16| {
        Program::new("api")
            .env("DATABASE_URL", &database)
            .args(["--port".to_owned(), port.to_string()])
    };
    let mut first = api(0).start().await;
    let address = first.address("main").await;
    let (http, url) = (client(), format!("{}/ingest", ingestor.url().await));
    let post = async |second: u8| {
        poll(LONG, async || {
            let sent = http.post(&url).bearer_auth(KEY).body(line(second)).send().await;
            sent.is_ok_and(|answer| answer.status() == 200).then_some(())
        })
        .await;
    };
    let tail = ["tail".to_owned(), "--url".to_owned(), format!("http://{address}")];
    let mut tail = Program::new("odograph").args(tail).spawn();
    post(1).await;
    tells(&tail, 1).await;

    first.kill9().await;
    post(2).await;
    // On its port.
    let mut second = api(address.port()).start().await;
    tells(&tail, 2).await;

    postgres.kill9().await;
    post(3).await;
    postgres.restart().await;
    tells(&tail, 3).await;

    nats.kill9().await;
    nats.restart().await;
    post(4).await;
    tells(&tail, 4).await;

    // The last line is the last value.
    assert_eq!(
        tail.stdout().last().unwrap(),
        "default speed 4 km/h 2024-05-01T12:00:04Z"
    );
    tail.signal(Signal::SIGINT);
    assert_eq!(tail.wait(LONG).await, 0, "{:?}", tail.output());
    second.signal(Signal::SIGTERM);
    assert_eq!(second.wait(LONG).await, 0, "{:?}", second.output());
}

#[tokio::test]
async fn listeners_of_any_replica_go_on_from_the_same_id() {
    let mut system = System::start(1).await;
    let mut replica = Program::new("api")
        .env("DATABASE_URL", system.database.url_as("odograph_reader"))
        .args(["--migrate", "false"])
        .start()
        .await;
    assert_eq!(system.post(line(1)).await.0, 200);
    system.wait_for_rows(1).await;
    let text = heard(&system.api.url().await, None, "\"value\":1.0").await;
    let id = text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back();
    let id = id.expect("the last event has an id").to_owned();
    // Another day, which is older: no latest value tells of it.
    let late = line(0).replace("2024-05-01", "2024-04-30");
    assert_eq!(system.post(late).await.0, 200);
    system.wait_for_rows(2).await;
    let text = heard(&replica.url().await, Some(&id), "event: upload").await;
    assert!(
        text.contains(r#"{"device":"default","day":"2024-04-30","version":1}"#),
        "{text}"
    );
    assert!(!text.contains("\"day\":\"2024-05-01\""), "{text}");
}

/// What a stream says until it says `until`, and the end of that piece.
async fn heard(url: &str, id: Option<&str>, until: &str) -> String {
    let mut request = client().get(format!("{url}/api/live"));
    if let Some(id) = id {
        request = request.header("last-event-id", id);
    }
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut text = String::new();
    while !(text.contains(until) && text.contains("id: ")) {
        let piece = answer.chunk().await.unwrap().expect("the stream goes on");
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    text
}

#[tokio::test]
async fn streams_end_with_the_program() {
    let database = testutil::database().await;
    let mut api = Program::new("api")
        .env("DATABASE_URL", database.url())
        .args(["--shutdown-timeout", "10s"])
        .start()
        .await;
    let url = format!("{}/api/live", api.url().await);
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut answer = client().get(&url).send().await.unwrap();
        assert!(answer.chunk().await.unwrap().is_some());
        streams.push(answer);
    }
    api.signal(Signal::SIGTERM);
    for mut answer in streams {
        // To a whole end, not a broken connection.
        while answer.chunk().await.unwrap().is_some() {}
    }
    // Within the timeout.
    assert_eq!(api.wait(LONG).await, 0, "{:?}", api.output());
}

#[tokio::test]
async fn a_listener_that_takes_nothing_is_dropped() {
    let database = testutil::database().await;
    let mut api = Program::new("api")
        .env("DATABASE_URL", database.url())
        .args(["--answer-idle-timeout", "2s"])
        .start()
        .await;
    // More than the buffers of a connection take.
    let fill = "INSERT INTO series (device, sensor, latest_timestamp, latest_value)
        SELECT 'car' || number, 'speed', now(), number FROM generate_series(1, 200000) AS number";
    connect(&database.url()).await.batch_execute(fill).await.unwrap();
    let [main, admin] = [api.address("main").await, api.address("admin").await];
    let mut slow = TcpStream::connect(main).await.unwrap();
    slow.write_all(b"GET /api/live HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let http = client();
    let metrics = async || {
        let answer = http.get(format!("http://{admin}/metrics")).send().await.unwrap();
        answer.text().await.unwrap()
    };
    poll(LONG, async || {
        metrics()
            .await
            .contains("api_live_listeners_dropped_total 1")
            .then_some(())
    })
    .await;
    assert!(metrics().await.contains("api_live_listeners 0"), "{}", metrics().await);
    // Others are answered.
    let (status, _) = answer(http.get(format!("http://{main}/api/status")).send().await.unwrap()).await;
    assert_eq!(status, 200);
    drop(slow);
}

#[tokio::test]
async fn a_tail_ends_with_its_pipe() {
    let mut system = System::start(1).await;
    let url = system.api.url().await;
    assert_eq!(system.post(line(1)).await.0, 200);
    let first = first_line_alone(&["tail", "--url", &url]).await;
    assert_eq!(first, "default speed 1 km/h 2024-05-01T12:00:01Z\n");
}

#[tokio::test]
async fn a_receiver_of_deliveries_ends_with_its_pipe() {
    let first = first_line_alone(&["subscriptions", "listen", "--port", "0"]).await;
    assert!(first.starts_with("Listening on http://127.0.0.1:"), "{first}");
}

/// The first line of a command of `odograph` that would wait for more. Its reader is gone behind this line, as `head -1`
/// is, and the command has to end well although it has nothing to write.
async fn first_line_alone(command: &[&str]) -> String {
    let mut running = Command::new(built("odograph"))
        .args(command)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap());
    let mut first = String::new();
    timeout(LONG, lines.read_line(&mut first)).await.unwrap().unwrap();
    drop(lines);
    let ended = timeout(LONG, running.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
    first
}

#[tokio::test]
async fn closed_reading_is_open_to_tools_with_a_key() {
    let database = testutil::database().await;
    let mut api = Program::new("api")
        .env("DATABASE_URL", database.url())
        .env("READ_KEY", "a-key-that-reads")
        .start()
        .await;
    let url = api.url().await;
    assert_eq!(
        client().get(format!("{url}/api/status")).send().await.unwrap().status(),
        401
    );
    assert_eq!(
        client().get(format!("{url}/health")).send().await.unwrap().status(),
        200
    );
    let tail = || Program::new("odograph").args(["tail", "--url", &url]);
    let mut refused = tail().spawn();
    assert_eq!(refused.wait(LONG).await, 1);
    let said = refused.output().join("\n");
    assert!(
        said.contains("READ_KEY") && !said.contains("a-key-that-reads"),
        "{said}"
    );
    let mut admitted = tail().env("READ_KEY", "a-key-that-reads").spawn();
    let fill =
        "INSERT INTO series (device, sensor, latest_timestamp, latest_value) VALUES ('lada', 'x', '2024-05-01Z', 1.5)";
    connect(&database.url()).await.batch_execute(fill).await.unwrap();
    let read = "INSERT INTO device_day (device, day, version) VALUES ('lada', '2024-05-01', 1)";
    connect(&database.url()).await.batch_execute(read).await.unwrap();
    let expected = "lada x 1.5 - 2024-05-01T00:00:00Z".to_owned();
    poll(LONG, async || admitted.stdout().contains(&expected).then_some(())).await;
    admitted.signal(Signal::SIGTERM);
    assert_eq!(admitted.wait(LONG).await, 0);
}
