//! A bus that is down, lacks JetStream, or restricts users' rights.

use crate::history::stream;
use crate::system::{KEY, LONG, answer, client, connect, ingestor, persistor, up};
use serde_json::Value;
use std::fmt::Write;
use testutil::{Nats, Process, Program, Signal, nats, poll};

const LINE: &str = r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;

/// The URL for uploads to an ingestor.
pub(crate) async fn url(ingestor: &mut Process) -> String {
    format!("{}/ingest", ingestor.url().await)
}

async fn post(url: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let upload = client().post(url).basic_auth(KEY, Some("")).body(body);
    answer(upload.send().await.unwrap()).await
}

/// Number of log lines with this text.
pub(crate) fn lines(process: &Process, text: &str) -> usize {
    process.output().iter().filter(|line| line.contains(text)).count()
}

pub(crate) async fn ends(process: &mut Process) {
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LONG).await, 0, "{:#?}", process.output());
}

/// More acknowledgements than the client queues without a connection: the persistor still commits its
/// batch and ends cleanly.
#[tokio::test]
async fn acknowledgements_that_nothing_takes() {
    const MESSAGES: usize = 2000;
    let mut nats = Nats::start(nats::Options::default()).await;
    let bus = format!("{}/readings", nats.url());
    let database = testutil::database().await;
    let mut ingestor = ingestor(&bus).start().await;
    let url = url(&mut ingestor).await;
    assert_eq!(post(&url, LINE).await.0, 200);
    let mut first = persistor(&bus, &database.url()).start().await;
    let rows = connect(&database.url()).await;
    let receipts = async || {
        let row = rows.query_one("SELECT count(*) FROM receipt", &[]).await.unwrap();
        usize::try_from(row.get::<_, i64>(0)).unwrap()
    };
    poll(LONG, async || (receipts().await == 1).then_some(())).await;
    ends(&mut first).await;

    // As many small uploads: the same one, under other ids.
    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let sent = stream(&bus).await.get_raw_message(1).await.unwrap();
    for _ in 0..MESSAGES / 100 {
        let mut stored = Vec::new();
        for _ in 0..100 {
            let mut headers = sent.headers.clone();
            headers.insert("ce-id", uuid::Uuid::new_v4().to_string());
            let publishing = jetstream.publish_with_headers("readings.live", headers, sent.payload.clone());
            stored.push(publishing.await.unwrap());
        }
        for stored in stored {
            stored.await.unwrap();
        }
    }
    let holding = connect(&database.url()).await;
    holding.batch_execute("BEGIN; LOCK TABLE receipt").await.unwrap();
    let program = persistor(&bus, &database.url()).args(["--batch-readings", "200000"]);
    let mut persistor = program.start().await;
    let held = stream(&bus).await;
    let taken = poll(LONG, async || {
        let info = held.consumer_info("persistor_live").await.ok()?;
        (info.num_ack_pending > 1500).then_some(info.num_ack_pending)
    })
    .await;
    nats.kill9().await;
    holding.batch_execute("COMMIT").await.unwrap();
    poll(LONG, async || (receipts().await > 1100).then_some(())).await;
    ends(&mut persistor).await;
    assert!(receipts().await > 1100 && taken > 1500);

    // Unacknowledged messages come again, as duplicates.
    nats.restart().await;
    let _second = self::persistor(&bus, &database.url()).start().await;
    poll(LONG, async || (receipts().await == MESSAGES + 1).then_some(())).await;
}

/// An upload without a bus gets an error; only the log says why.
#[tokio::test]
async fn an_upload_before_the_bus_is_there() {
    let mut ingestor = ingestor("nats://127.0.0.1:1/readings").spawn();
    let url = url(&mut ingestor).await;
    for body in [LINE, "nonsense"] {
        let (status, told) = post(&url, body).await;
        assert_eq!(status, 503, "{told}");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.starts_with("The event bus is not connected yet."), "{told}");
        assert!(!told.to_string().contains("127.0.0.1"), "{told}");
        assert_eq!(told["accepted"], 0);
    }
    let reason = "nats://127.0.0.1:1 cannot be reached";
    assert_eq!(lines(&ingestor, reason), 1, "{:#?}", ingestor.output());
    ends(&mut ingestor).await;
}

/// With a server without JetStream, each program logs once what to do, and continues as soon as it is
/// done.
#[tokio::test]
async fn a_server_without_jetstream() {
    let mut nats = Nats::start(nats::Options {
        without_jetstream: true,
        ..nats::Options::default()
    })
    .await;
    let bus = format!("{}/readings", nats.url());
    let database = testutil::database().await;
    let folder = tempfile::tempdir().unwrap();
    let up = up(folder.path(), &database.url()).env("EVENT_URL", &bus);
    let mut programs = Vec::new();
    for program in [ingestor(&bus), persistor(&bus, &database.url()), up] {
        // The client's debug log shows the number of tries.
        programs.push(program.env("RUST_LOG", "info,async_nats=debug").spawn());
    }
    for process in &mut programs {
        poll(LONG, async || {
            (lines(process, "JetStream request sent") >= 30).then_some(())
        })
        .await;
        let said = lines(process, "start it with JetStream: nats-server -js");
        assert_eq!(said, 1, "{:#?}", process.output());
    }
    let url = url(&mut programs[0]).await;
    let (status, told) = post(&url, LINE).await;
    assert!(
        status == 503
            && told["detail"]
                .as_str()
                .unwrap()
                .starts_with("The event bus is not connected yet."),
        "{told}"
    );
    nats.options().without_jetstream = false;
    nats.restart().await;
    poll(LONG, async || (post(&url, LINE).await.0 == 200).then_some(())).await;
    for process in &mut programs {
        process.ready().await;
        ends(process).await;
    }
}

/// The server's configuration in SECURITY.md.
pub(crate) fn users() -> String {
    let page = std::fs::read_to_string(testutil::workspace().join("SECURITY.md")).unwrap();
    let (_, block) = page.split_once("```\nauthorization {").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut users = format!("authorization {{{block}");
    for user in ["INGESTOR", "PERSISTOR", "HISTORY", "DEAD"] {
        users = users.replace(&format!("${user}_PASSWORD"), "\"hunter2\"");
    }
    users
}

/// These users, and an operator who may do everything.
pub(crate) fn with_operator(users: &str) -> String {
    users.replacen("users = [", "users = [\n{ user: operator, password: hunter2 }", 1)
}

/// The same with the further rights for a cluster, from the table below it.
pub(crate) fn users_of_a_cluster() -> String {
    let page = std::fs::read_to_string(testutil::workspace().join("SECURITY.md")).unwrap();
    let (_, table) = page.split_once("| program | publish |\n|---|---|\n").unwrap();
    let mut users = users();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let (programs, rights) = row.trim_matches('|').split_once('|').unwrap();
        let rights: Vec<&str> = rights.split('`').filter(|right| !right.trim().is_empty()).collect();
        for (program, user) in [
            ("ingestor", "ingestor"),
            ("persistor", "persistor"),
            ("odograph rebuild", "history"),
            ("odograph dead", "dead"),
        ] {
            if programs.contains(program) {
                let (before, after) = users.split_once(&format!("user: {user},")).unwrap();
                let rights: String = rights.iter().map(|right| format!("{right:?}\n")).collect();
                let after = after.replacen("publish: [", &format!("publish: [\n{rights}"), 1);
                users = format!("{before}user: {user},{after}");
            }
        }
    }
    users
}

/// Every program works with no more rights on the bus than SECURITY.md gives it.
#[tokio::test]
async fn users_with_the_rights_that_they_need() {
    let nats = Nats::start(nats::Options {
        extra: with_operator(&users()),
        ..nats::Options::default()
    })
    .await;
    let bus = |user: &str| {
        let server = nats.url().replace("nats://", &format!("nats://{user}:hunter2@"));
        format!("{server}/readings")
    };
    let database = testutil::database().await;
    let mut ingestor = ingestor(&bus("ingestor")).start().await;
    let url = url(&mut ingestor).await;
    let mut first = persistor(&bus("persistor"), &database.url()).start().await;

    // Both lanes, and a line that is no reading.
    let mut large = format!("{LINE}\n");
    for second in 0..20_000 {
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let time = format!("2024-05-02T{hour:02}:{minute:02}:{:02}Z", second % 60);
        writeln!(large, r#"{{"sensor":"speed","value":1,"timestamp":"{time}"}}"#).unwrap();
    }
    for body in [LINE, &large] {
        assert_eq!(post(&url, body.to_owned()).await.0, 200);
    }
    assert_eq!(post(&url, "nonsense").await.0, 400);
    let rows = connect(&database.url()).await;
    poll(LONG, async || {
        let row = rows.query_one("SELECT count(*) FROM reading", &[]).await.ok()?;
        (row.get::<_, i64>(0) == 20_001).then_some(())
    })
    .await;

    // Rebuild and verify read the history.
    let empty = testutil::database().await;
    let rebuilding = Program::new("odograph").arg("rebuild");
    let mut rebuild = rebuilding
        .env("EVENT_READER_URL", bus("history"))
        .env("DATABASE_URL", empty.url())
        .spawn();
    assert_eq!(rebuild.wait(LONG).await, 0, "{:#?}", rebuild.output());
    assert!(rebuild.stdout().join("").starts_with("20001 readings persisted"));
    let mut verify = Program::new("odograph")
        .args(["verify", &bus("history"), &empty.url()])
        .spawn();
    assert_eq!(verify.wait(LONG).await, 0, "{:#?}", verify.output());

    // An unreadable message and its dead letter.
    let options = async_nats::ConnectOptions::with_user_and_password("ingestor".into(), "hunter2".into());
    let stranger = options.connect(nats.url()).await.unwrap();
    stranger.publish("readings.live", "junk".into()).await.unwrap();
    stranger.flush().await.unwrap();
    poll(LONG, async || {
        let row = rows.query_one("SELECT count(*) FROM dead_letter", &[]).await.ok()?;
        (row.get::<_, i64>(0) == 2).then_some(())
    })
    .await;
    // A dead letter that an earlier version left.
    let options = async_nats::ConnectOptions::with_user_and_password("operator".into(), "hunter2".into());
    let context = async_nats::jetstream::new(options.connect(nats.url()).await.unwrap());
    let config = async_nats::jetstream::stream::Config {
        name: "READINGS_DEAD".into(),
        subjects: vec!["readings_dead.>".into()],
        ..Default::default()
    };
    context.create_stream(config).await.unwrap();
    let stored = context.publish("readings_dead.letters", "junk".into()).await.unwrap();
    stored.await.unwrap();
    let mut taking = persistor(&bus("persistor"), &database.url()).start().await;
    poll(LONG, async || {
        let stream = context.get_stream("READINGS_DEAD").await.ok()?;
        (stream.cached_info().state.messages == 0).then_some(())
    })
    .await;
    ends(&mut taking).await;
    let mut all = vec![rebuild, verify, taking];
    for (arguments, code) in [
        (&["list", "--kind", "message"][..], 0),
        // The lines are rejected again.
        (&["redrive", "--all"], 1),
        (&["purge", "--all", "--yes"], 0),
    ] {
        let dead = Program::new("odograph").arg("dead").args(arguments.iter().copied());
        let dead = dead.env("DATABASE_URL", database.url());
        let mut dead = dead.env("EVENT_READER_URL", bus("dead")).spawn();
        assert_eq!(dead.wait(LONG).await, code, "{arguments:?}: {:#?}", dead.output());
        all.push(dead);
    }
    ends(&mut first).await;
    let trimming = persistor(&bus("persistor"), &database.url()).args(["--history", "10ms"]);
    let mut second = trimming.start().await;
    poll(LONG, async || (lines(&second, "trimmed old history") > 0).then_some(())).await;
    ends(&mut second).await;
    ends(&mut ingestor).await;
    all.extend([first, second, ingestor]);
    for process in &all {
        assert_eq!(lines(process, "denies"), 0, "{:#?}", process.output());
    }
}

/// A program without a right logs once which one it lacks.
#[tokio::test]
async fn a_user_that_lacks_a_right() {
    let nats = Nats::start(nats::Options {
        extra: users(),
        ..nats::Options::default()
    })
    .await;
    let bus = |user: &str| nats.url().replace("nats://", &format!("nats://{user}:hunter2@")) + "/readings";
    let database = testutil::database().await;
    let mut prepared = persistor(&bus("persistor"), &database.url()).start().await;
    // The ingestor may not publish, the persistor may not consume.
    let mut publishing = ingestor(&bus("persistor")).start().await;
    let url = url(&mut publishing).await;
    assert_eq!(post(&url, LINE).await.0, 503);
    assert_eq!(post(&url, LINE).await.0, 503);
    let mut taking = persistor(&bus("ingestor"), &database.url()).spawn();
    for (process, right, subject) in [
        (&publishing, "publish", "readings.live"),
        (&taking, "publish", "$JS.API.CONSUMER.INFO.READINGS.persistor_live"),
    ] {
        let denied = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let said = line["message"].as_str().is_some_and(|said| said.contains("denies"));
            said && line["right"] == right && line["subject"] == subject
        };
        let count = async || {
            let count = process.output().iter().filter(|line| denied(line)).count();
            (count > 0).then_some(count)
        };
        assert_eq!(poll(LONG, count).await, 1, "{:#?}", process.output());
    }
    for process in [&mut publishing, &mut taking, &mut prepared] {
        ends(process).await;
    }
}
