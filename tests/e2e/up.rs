//! `odograph up`: all programs in one process, with a PostgreSQL of its own.

use crate::system::{LONG, answer, client, folder};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use testutil::{Process, Program, Signal, poll};

struct Up {
    process: Process,
    ingest: String,
    api: String,
}

async fn up(data: &Path, flags: &[&str]) -> Up {
    let mut process = Program::new("odograph")
        .args([
            "up",
            "--api-port",
            "0",
            "--journal-port",
            "0",
            "--messages-port",
            "0",
            "--data-dir",
        ])
        .arg(data)
        .args(flags.iter().copied())
        .start()
        .await;
    let ingest = format!("{}/ingest", process.url().await);
    let api = format!("http://{}/api", process.address("api").await);
    Up { process, ingest, api }
}

async fn latest_speed(up: &Up) -> Option<f64> {
    let answer: Value = answer(
        client()
            .get(format!("{}/statistics/latest", up.api))
            .send()
            .await
            .unwrap(),
    )
    .await
    .1;
    answer["speed"].as_f64()
}

#[tokio::test]
async fn the_data_outlives_the_process_however_it_ends() {
    let folder = folder();
    let mut running = up(folder.path(), &[]).await;
    let greeting = poll(LONG, async || {
        Some(running.process.stdout().join("\n")).filter(|text| text.contains("Ctrl-C"))
    })
    .await;
    let key = std::fs::read_to_string(folder.path().join("api-key"))
        .unwrap()
        .trim()
        .to_owned();
    let mode = std::fs::metadata(folder.path().join("api-key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        greeting.contains(&key) && greeting.contains(&running.ingest),
        "{greeting}"
    );

    // The printed curl lines work, and the reading is stored when the answer comes.
    let curl: String = greeting
        .split("Try it:")
        .nth(1)
        .unwrap()
        .split("Ctrl-C")
        .next()
        .unwrap()
        .into();
    let output = std::process::Command::new("sh").args(["-c", &curl]).output().unwrap();
    let mut answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let mut next = || answers.next().unwrap_or_else(|| panic!("{output:?}")).unwrap();
    let (answer, posted) = (next(), next());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("1 message is stored\n"), "{said}");
    assert!(posted["data"]["id"].is_string(), "{posted}");
    assert_eq!(
        (answer["accepted"].as_u64(), answer["rejected"].as_u64()),
        (Some(1), Some(0)),
        "{answer}"
    );
    assert_eq!(latest_speed(&running).await, Some(55.5));
    // The SQL line works, too.
    let psql = greeting
        .lines()
        .find_map(|line| line.trim().strip_prefix("SQL"))
        .unwrap()
        .trim();
    let query = format!("{psql} -Atc 'SELECT device, sensor, value FROM readings'");
    let output = std::process::Command::new("sh").args(["-c", &query]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "default|speed|55.5",
        "{output:?}"
    );
    // Yesterday is dumped automatically.
    let dumps = folder.path().join("dumps");
    poll(LONG, async || {
        std::fs::read_dir(&dumps)
            .ok()?
            .flatten()
            .any(|file| file.path().to_string_lossy().ends_with(".manifest.json"))
            .then_some(())
    })
    .await;

    // A second `up` on the same folder is refused.
    let mut second = Program::new("odograph")
        .args(["up", "--api-port", "0", "--data-dir"])
        .arg(folder.path())
        .spawn();
    assert_eq!(second.wait(LONG).await, 1);

    running.process.signal(Signal::SIGTERM);
    assert_eq!(
        running.process.wait(LONG).await,
        0,
        "{}",
        running.process.output().join("\n")
    );
    let mut running = up(folder.path(), &[]).await;
    assert_eq!(latest_speed(&running).await, Some(55.5));
    running.process.kill9().await;
    let mut running = up(folder.path(), &[]).await;
    assert_eq!(latest_speed(&running).await, Some(55.5));
    let rejected = client()
        .post(&running.ingest)
        .bearer_auth(&key)
        .body("nonsense")
        .send()
        .await
        .unwrap();
    assert_eq!(
        rejected.status(),
        400,
        "a rejected line is kept as a dead letter, and answered"
    );
    running.process.signal(Signal::SIGINT);
    assert_eq!(running.process.wait(LONG).await, 0);
}

/// The time of the demo's newest place.
async fn latest_place(up: &Up) -> Option<String> {
    let asked = client().get(format!("{}/location/latest", up.api)).send();
    let (status, answer): (_, Value) = answer(asked.await.unwrap()).await;
    (status == 200).then(|| answer["timestamp"].as_str().unwrap().to_owned())
}

/// Waits until the demo has a place, and then a newer one.
async fn moves(up: &Up) {
    let first = poll(LONG, async || latest_place(up).await).await;
    poll(LONG, async || latest_place(up).await.filter(|then| *then > first)).await;
}

/// The days before today on which the demo drove.
async fn days_of_demo(up: &Up) -> Vec<Value> {
    let now = jiff::Timestamp::now().to_string();
    let asked = client().get(format!("{}/trips/days?device=demo&from=-32d&to={now}", up.api));
    let (status, answer): (_, Value) = answer(asked.send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    let mut days = answer["days"].as_array().unwrap().clone();
    days.retain(|day| *day["date"].as_str().unwrap() < now[..10]);
    days
}

#[tokio::test]
async fn the_demo_moves() {
    let folder = folder();
    let mut running = up(folder.path(), &["--demo"]).await;
    moves(&running).await;
    running.process.signal(Signal::SIGTERM);
    assert_eq!(running.process.wait(LONG).await, 0);
}

/// Thirty days of drives lie before the one that goes on, and the next start adds none.
#[tokio::test]
async fn the_demo_brings_days_once() {
    let folder = folder();
    let mut running = up(folder.path(), &["--demo"]).await;
    poll(LONG, async || (days_of_demo(&running).await.len() == 30).then_some(())).await;
    // An upload that has begun is stored before the end.
    running.process.signal(Signal::SIGTERM);
    assert_eq!(running.process.wait(LONG).await, 0);

    let mut running = up(folder.path(), &["--demo"]).await;
    // The drive that goes on may have begun yesterday.
    let older = async || {
        let mut days = days_of_demo(&running).await;
        days.truncate(29);
        days
    };
    let before = older().await;
    assert!(before.iter().all(|day| day["trips"] == 1), "{before:#?}");
    moves(&running).await;
    assert_eq!(older().await, before);
    running.process.signal(Signal::SIGTERM);
    assert_eq!(running.process.wait(LONG).await, 0);
}

/// `up` restarts a killed PostgreSQL, and uploads go on.
#[tokio::test]
async fn its_postgres_may_be_killed() {
    let folder = folder();
    let running = up(folder.path(), &["--api-key", "k"]).await;
    let post = async |second: u8| {
        let body = format!(r#"{{"sensor":"speed","value":{second},"timestamp":"2024-05-01T12:00:{second:02}Z"}}"#);
        client()
            .post(&running.ingest)
            .bearer_auth("k")
            .body(body)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(post(1).await, 200);
    let pid = std::fs::read_to_string(folder.path().join("postgres/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap();
    assert!(
        std::process::Command::new("kill")
            .args(["-9", pid])
            .status()
            .unwrap()
            .success()
    );
    poll(LONG, async || (post(2).await == 200).then_some(())).await;
    poll(LONG, async || (latest_speed(&running).await == Some(2.0)).then_some(())).await;
}

/// A persistor that cannot work ends the process, so that no upload gets 200 and is never stored.
#[tokio::test]
async fn a_persistor_that_gives_up_ends_it() {
    let bus = testutil::nats_url("up");
    let (server, name) = bus.rsplit_once('/').unwrap();
    let database = testutil::database().await;
    // The right streams, then a consumer with a limit of deliveries.
    let mut first = crate::system::ingestor(&bus).start().await;
    first.kill9().await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
    let stream = jetstream.get_stream(name.to_uppercase()).await.unwrap();
    let consumer = async_nats::jetstream::consumer::pull::Config {
        durable_name: Some("persistor_live".into()),
        max_deliver: 3,
        ..Default::default()
    };
    stream.create_consumer(consumer).await.unwrap();
    let folder = folder();
    let mut process = Program::new("odograph")
        .args(["up", "--api-port", "0", "--data-dir"])
        .arg(folder.path())
        .args(["--event-url", &bus, "--database-url", &database.url()])
        .spawn();
    assert_eq!(process.wait(LONG).await, 1);
    assert!(
        process.output().join("\n").contains("max_deliver"),
        "{:?}",
        process.output()
    );
}
