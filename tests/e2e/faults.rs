//! Killed parts come back, and no reading is missing or stored twice.

use crate::source::{bodies, distinct};
use crate::system::{KEY, LONG, System, answer, client, connect, half_an_upload, ingestor, persistor, retry_after};
use std::time::Duration;
use testutil::{Database, Nats, Postgres, Program, nats, poll};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// kill -9 of the persistor in the middle of a load, then a restart.
#[tokio::test]
async fn a_killed_persistor_loses_nothing_and_stores_nothing_twice() {
    let bodies = bodies().await;
    let expected = distinct(bodies.iter().map(|body| body.text.as_str())).len();
    let mut system = System::start(1).await;
    let database = connect(&system.database.url()).await;
    // Small transactions, so that the kill interrupts the load.
    system.persistors[0].kill9().await;
    let program = || system.persistor().args(["--batch-readings", "1000"]);
    let mut doomed = program().start().await;
    for body in &bodies {
        assert_eq!(system.post(body.text.clone()).await.0, 200);
    }
    let rows = poll(LONG, async || {
        let rows: i64 = database
            .query_one("SELECT count(*) FROM reading", &[])
            .await
            .unwrap()
            .get(0);
        (rows > 0).then_some(rows)
    })
    .await;
    doomed.kill9().await;
    assert!(
        rows < i64::try_from(expected).unwrap(),
        "everything was stored before the kill"
    );
    let _second = program().start().await;
    system.wait_for_rows(i64::try_from(expected).unwrap()).await;
}

/// With a database that is down at start and later, the programs are unready meanwhile, then continue.
#[tokio::test]
async fn a_database_that_is_down() {
    let nats = Nats::start(nats::Options::default()).await;
    let mut postgres = Postgres::start().await;
    let bus = format!("{}/readings", nats.url());
    let url = postgres.url().to_owned();
    postgres.stop().await;

    let mut ingestor = ingestor(&bus).start().await;
    let mut persistor = persistor(&bus, &url).spawn();
    let mut api = Program::new("api").env("DATABASE_URL", &url).spawn();
    let http = client();
    let ingest = format!("{}/ingest", ingestor.url().await);
    let status = format!("{}/api/status", api.url().await);
    let post = async |second: u8| {
        let body = format!(r#"{{"sensor":"speed","value":{second},"timestamp":"2024-05-01T12:00:{second:02}Z"}}"#);
        answer(http.post(&ingest).bearer_auth(KEY).body(body).send().await.unwrap())
            .await
            .0
    };
    for process in [&mut persistor, &mut api] {
        let ready = format!("http://{}/readyz", process.address("admin").await);
        poll(LONG, async || {
            let response = http.get(&ready).send().await.unwrap();
            assert_eq!(response.status(), 503);
            response.text().await.unwrap().contains("database").then_some(())
        })
        .await;
    }
    assert_eq!(http.get(&status).send().await.unwrap().status(), 503);
    assert_eq!(post(1).await, 200, "the bus takes readings meanwhile");

    postgres.restart().await;
    persistor.ready().await;
    api.ready().await;
    let rows = async |rows: i64| {
        poll(LONG, async || {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.ok()?;
            let connection = tokio::spawn(connection);
            let found: i64 = client.query_one("SELECT count(*) FROM reading", &[]).await.ok()?.get(0);
            connection.abort();
            (found == rows).then_some(())
        })
        .await;
    };
    rows(1).await;
    postgres.kill9().await;
    assert_eq!(post(2).await, 200);
    postgres.restart().await;
    rows(2).await;
    poll(LONG, async || {
        (http.get(&status).send().await.ok()?.status() == 200).then_some(())
    })
    .await;
}

/// Without the bus, uploads get 503 with counts and Retry-After, and 200 once it is back.
#[tokio::test]
async fn a_bus_that_is_down() {
    let mut nats = Nats::start(nats::Options::default()).await;
    let bus = format!("{}/readings", nats.url());
    let database = testutil::database().await;
    let mut system = System::over(database, bus, 1, &[]).await;
    let body = r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;
    assert_eq!(system.post(body).await.0, 200);
    system.wait_for_rows(1).await;

    nats.kill9().await;
    let refused = poll(LONG, async || {
        let response = system.upload(body).send().await.unwrap();
        (response.status() == 503).then_some(response)
    });
    let refused = refused.await;
    assert!(retry_after(&refused) >= 1);
    let (_, problem) = answer(refused).await;
    assert_eq!(
        (problem["accepted"].as_u64(), problem["rejected"].as_u64()),
        (Some(0), Some(0)),
        "{problem}"
    );
    let ready = format!("http://{}/readyz", system.ingestor.address("admin").await);
    poll(LONG, async || {
        (system.http.get(&ready).send().await.unwrap().status() == 503).then_some(())
    })
    .await;

    nats.restart().await;
    poll(LONG, async || {
        (system.post(body.replace(":00Z", ":01Z")).await.0 == 200).then_some(())
    })
    .await;
    system.wait_for_rows(2).await;
}

/// A nats-server that silently ignores settings is refused, with an error that helps.
#[tokio::test]
async fn an_old_nats_server_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let info = r#"INFO {"server_id":"old","server_name":"old","version":"2.9.10","proto":1,"go":"go1.19","host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"jetstream":true,"client_id":1}"#;
            write.write_all(format!("{info}\r\n").as_bytes()).await.unwrap();
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line == "PING" && write.write_all(b"PONG\r\n").await.is_err() {
                    break;
                }
            }
        }
    });
    let mut ingestor = ingestor(&format!("nats://127.0.0.1:{port}/readings")).spawn();
    assert_eq!(ingestor.wait(LONG).await, 1);
    let logs = ingestor.output().join("\n");
    assert!(logs.contains("2.9.10") && logs.contains("update it"), "{logs}");
    server.abort();
}

/// An ingestor that is asked to end finishes uploads under way; a slow upload gets its counts so far.
#[tokio::test]
async fn uploads_under_way_at_the_end() {
    let mut system = System::start_with(1, &["--shutdown-timeout", "3s"]).await;
    let mut stream = half_an_upload(system.ingestor.address("main").await, KEY).await;
    system.ingestor.signal(testutil::Signal::SIGTERM);
    for second in 0..2 {
        let line = format!("{{\"sensor\":\"speed\",\"value\":1,\"timestamp\":\"2024-05-01T12:00:0{second}Z\"}}\n");
        stream.write_all(line.as_bytes()).await.unwrap();
    }
    let mut answer = String::new();
    tokio::time::timeout(LONG, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(
        answer.contains("HTTP/1.1 503 ") && answer.contains("\"accepted\":2"),
        "{answer}"
    );
    assert_eq!(system.ingestor.wait(LONG).await, 0);
    tokio::time::timeout(Duration::from_secs(60), system.wait_for_rows(2))
        .await
        .unwrap();
}

/// After a restore to an earlier state, a persistor's cached knowledge of the database is wrong.
#[tokio::test]
async fn a_database_that_was_restored() {
    let mut postgres = Postgres::start().await;
    let nats = Nats::start(nats::Options::default()).await;
    let bus = format!("{}/readings", nats.url());
    let url = postgres.url().to_owned();
    let mut ingestor = ingestor(&bus).start().await;
    let _persistor = persistor(&bus, &url).start().await;
    let ingest = format!("{}/ingest", ingestor.url().await);
    let http = client();
    let post = async |sensor: &str, second: u8| {
        let body = format!(r#"{{"sensor":"{sensor}","value":{second},"timestamp":"2024-05-01T12:00:{second:02}Z"}}"#);
        assert_eq!(
            http.post(&ingest)
                .bearer_auth(KEY)
                .body(body)
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    };
    let wait_for = async |expected: &[&str]| {
        poll(LONG, async || {
            let client = connect(&url).await;
            let query = "SELECT concat_ws(' ', sensor, value, latest_value) FROM readings JOIN series USING (device, sensor) ORDER BY 1";
            let rows = client.query(query, &[]).await.ok()?;
            (rows.iter().map(|row| row.get::<_, &str>(0)).eq(expected.iter().copied())).then_some(())
        })
        .await;
    };
    post("fuel", 30).await;
    wait_for(&["fuel 30 30"]).await;
    post("speed", 31).await;
    wait_for(&["fuel 30 30", "speed 31 31"]).await;
    connect(&url)
        .await
        .batch_execute("TRUNCATE series RESTART IDENTITY; TRUNCATE reading, day")
        .await
        .unwrap();
    // A restored server has no earlier connections.
    postgres.stop().await;
    postgres.restart().await;
    post("speed", 5).await;
    wait_for(&["speed 5 5"]).await;
    post("fuel", 6).await;
    wait_for(&["fuel 6 6", "speed 5 5"]).await;
}

/// Unreadable messages on each lane, between good ones, become dead letters; the good ones are stored.
#[tokio::test]
async fn messages_that_cannot_be_read() {
    let mut system = System::start(1).await;
    let (server, name) = system.bus.rsplit_once('/').unwrap();
    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
    let line = |second: usize| format!(r#"{{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:{second:02}Z"}}"#);
    for second in 0..8 {
        for lane in ["live", "bulk"] {
            let stored = jetstream
                .publish(format!("{name}.{lane}"), "junk".into())
                .await
                .unwrap();
            stored.await.unwrap();
        }
        assert_eq!(system.post(line(second)).await.0, 200);
    }
    system.wait_for_rows(8).await;
    let letters = async |database: &Database| -> i64 {
        let sql = connect(&database.url()).await;
        let count = "SELECT count(*) FROM dead_letter";
        sql.query_one(count, &[]).await.unwrap().get(0)
    };
    poll(LONG, async || (letters(&system.database).await == 16).then_some(())).await;

    // A rebuild finds them again, and makes dead letters of them in the new database.
    let empty = testutil::database().await;
    for (database, stored) in [(&empty, 8), (&empty, 0), (&system.database, 0)] {
        let mut rebuild = Program::new("odograph")
            .arg("rebuild")
            .env("EVENT_READER_URL", &system.bus)
            .env("DATABASE_URL", database.url())
            .spawn();
        assert_eq!(rebuild.wait(LONG).await, 0);
        let said = rebuild.stdout().join("\n");
        assert!(
            said.starts_with(&format!("{stored} readings persisted, ")) && said.contains(" 16 messages cannot"),
            "{said}"
        );
        assert_eq!(letters(database).await, 16);
    }
    system.ingestor.signal(testutil::Signal::SIGTERM);
    assert_eq!(system.ingestor.wait(LONG).await, 0);
}
