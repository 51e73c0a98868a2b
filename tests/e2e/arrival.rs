//! Sent readings arrive exactly once, unchanged, in any order and number of uploads.

use crate::source::{bodies, days, distinct};
use crate::system::{KEY, LONG, System, connect};
use std::collections::BTreeMap;
use testutil::Program;

/// All recordings through four programs; again; and in reverse order into an empty system.
#[tokio::test]
async fn recordings_arrive_exactly_whatever_the_order() {
    let bodies = bodies().await;
    let expected = distinct(bodies.iter().map(|body| body.text.as_str()));
    let count = i64::try_from(expected.len()).unwrap();

    let mut system = System::start(1).await;
    for body in &bodies {
        // As a user posts them.
        post_with_curl(&system.ingest_url, &body.text, body.text.lines().count());
    }
    system.wait_for_rows(count).await;
    check_values(&system, &expected).await;
    let (rows, latest) = (system.rows().await, system.latest().await);

    for body in &bodies {
        let (status, answer) = system.post(body.text.clone()).await;
        assert_eq!(
            (status, answer["accepted"].as_u64()),
            (200, Some(body.text.lines().count() as u64)),
            "{}",
            body.name
        );
    }
    let lines: usize = bodies.iter().map(|body| body.text.lines().count()).sum();
    system.wait_for_judged(2.0 * lines as f64).await;
    assert_eq!(system.persisted("stored").await, expected.len() as f64);
    assert_eq!(system.persisted("conflict").await, 0.0);
    assert!(
        system.rows().await == rows && system.latest().await == latest,
        "posting again changed something"
    );

    let other = System::start(1).await;
    for body in bodies.iter().rev() {
        let reversed: Vec<&str> = body.text.lines().rev().collect();
        assert_eq!(other.post(reversed.join("\n")).await.0, 200, "{}", body.name);
    }
    other.wait_for_rows(count).await;
    assert!(other.rows().await == rows, "other rows in reverse order");
    assert_eq!(other.latest().await, latest, "in reverse order");
    for day in days(&bodies) {
        assert_eq!(
            crate::dumps::lines(&system, &day).await,
            crate::dumps::lines(&other, &day).await,
            "{day} in reverse order"
        );
    }
}

fn post_with_curl(url: &str, body: &str, lines: usize) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut curl = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "-u",
            &format!("{KEY}:"),
            "--data-binary",
            "@-",
            url,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    curl.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = curl.wait_with_output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (answer["accepted"].as_u64(), answer["rejected"].as_u64()),
        (Some(lines as u64), Some(0)),
        "{answer}"
    );
}

/// Each value in the database equals the one that was sent.
async fn check_values(system: &System, expected: &BTreeMap<(String, String), f64>) {
    let client = connect(&system.database.url()).await;
    let (mut sensors, mut moments, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for ((sensor, moment), value) in expected {
        sensors.push(sensor);
        moments.push(moment);
        values.push(value);
    }
    let row = client
        .query_one(
            "SELECT count(*) FROM unnest($1::text[], $2::text[], $3::float8[]) AS sent (sensor, moment, value)
             JOIN readings ON readings.sensor = sent.sensor AND readings.timestamp = sent.moment::timestamptz AND readings.value = sent.value",
            &[&sensors, &moments, &values],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), i64::try_from(expected.len()).unwrap());
}

/// The track's last point is the car's location.
#[tokio::test]
async fn the_location_is_the_last_of_the_track() {
    let bodies = bodies().await;
    let Some(track) = bodies.iter().find(|body| body.text.contains("location_latitude")) else {
        panic!("no body holds a track");
    };
    let last = |sensor: &str| {
        let line = track.text.lines().rfind(|line| line.contains(sensor)).unwrap();
        serde_json::from_str::<serde_json::Value>(line).unwrap()
    };
    let (latitude, longitude) = (last("location_latitude"), last("location_longitude"));
    let system = System::start(1).await;
    assert_eq!(system.get("location/latest").await.0, 404);
    assert_eq!(system.post(track.text.clone()).await.0, 200);
    let rows = distinct(std::iter::once(track.text.as_str())).len();
    system.wait_for_rows(i64::try_from(rows).unwrap()).await;
    let (status, location) = system.get("location/latest").await;
    assert_eq!(status, 200, "{location}");
    assert_eq!(location["latitude"], latitude["value"]);
    assert_eq!(location["longitude"], longitude["value"]);
    assert_eq!(location["device"], "default");
    let (_, status) = system.get("status").await;
    assert!(status["lastIngestTimestamp"].is_string(), "{status}");
}

/// Generated readings with duplicates and conflicts, from several clients at once, to two persistors:
/// of each identity one value stays, and the receipts count all others.
#[tokio::test]
async fn duplicates_and_conflicts_are_counted_and_one_value_stays() {
    const CLIENTS: usize = 4;
    const IDENTITIES: usize = 2000;
    let mut system = System::start(2).await;
    // Every client sends every identity: clients 0 and 1 agree on the value, the others differ.
    let body = |client: usize| {
        let value = client.max(1);
        let mut lines: Vec<String> = (0..IDENTITIES)
            .map(|at| {
                let (minute, second) = (at / 60 % 60, at % 60);
                format!(
                    r#"{{"sensor":"s{}","value":{value},"timestamp":"2024-0{}-01T00:{minute:02}:{second:02}Z"}}"#,
                    at % 7,
                    at % 3 + 1
                )
            })
            .collect();
        lines.rotate_left(client * 400);
        lines
    };
    let uploads = (0..CLIENTS).map(|client| {
        let bodies: Vec<String> = body(client).chunks(150).map(|lines| lines.join("\n")).collect();
        let uploads: Vec<_> = bodies.into_iter().map(|body| system.upload(body)).collect();
        tokio::spawn(async move {
            for upload in uploads {
                let (status, answer) = crate::system::answer(upload.send().await.unwrap()).await;
                assert_eq!(status, 200, "{answer}");
            }
        })
    });
    let uploads: Vec<_> = uploads.collect();
    for upload in uploads {
        upload.await.unwrap();
    }
    let sent = (CLIENTS * IDENTITIES) as f64;
    system.wait_for_judged(sent).await;
    let expected = distinct([body(0).join("\n").as_str()].into_iter()).len();
    system.wait_for_rows(i64::try_from(expected).unwrap()).await;
    let (stored, duplicates, conflicts) = (
        system.persisted("stored").await,
        system.persisted("duplicate").await,
        system.persisted("conflict").await,
    );
    assert_eq!(stored, expected as f64);
    assert_eq!(stored + duplicates + conflicts, sent);
    // Clients 0 and 1 send the same values, so there are duplicates where their value stays.
    assert!(
        duplicates > 0.0 && conflicts >= (CLIENTS as f64 - 2.0) * expected as f64,
        "{duplicates} {conflicts}"
    );

    let client = connect(&system.database.url()).await;
    let strangers = client
        .query_one("SELECT count(*) FROM reading WHERE value NOT IN (1, 2, 3)", &[])
        .await
        .unwrap();
    assert_eq!(strangers.get::<_, i64>(0), 0);
    let wrong = client
        .query_one(
            "SELECT count(*) FROM series JOIN LATERAL
             (SELECT timestamp, value FROM reading WHERE series_id = id ORDER BY timestamp DESC LIMIT 1) AS last ON true
             WHERE (latest_timestamp, latest_value) IS DISTINCT FROM (last.timestamp, last.value)",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        wrong.get::<_, i64>(0),
        0,
        "latest values that are not those of the latest readings"
    );
}

/// The four programs end cleanly when asked to.
#[tokio::test]
async fn sigterm_ends_every_program_with_0() {
    let mut system = System::start(1).await;
    assert_eq!(
        system
            .post(r#"{"sensor":"speed","value":1,"timestamp":"2024-01-01T00:00:00Z"}"#)
            .await
            .0,
        200
    );
    for process in [&mut system.ingestor, &mut system.persistors[0], &mut system.api] {
        process.signal(testutil::Signal::SIGTERM);
        assert_eq!(process.wait(LONG).await, 0);
    }
    for (name, flag) in [
        ("ingestor", "--nonsense"),
        ("persistor", "--writers=0"),
        ("api", "--port=x"),
        ("dumper", "--dump-date=2021-02-30"),
    ] {
        assert_eq!(
            Program::new(name).arg(flag).spawn().wait(LONG).await,
            2,
            "{name} {flag}"
        );
    }
}
