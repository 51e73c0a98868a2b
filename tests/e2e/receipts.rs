//! Receipts end to end: they match the stored readings.

use crate::source::{bodies, distinct};
use crate::system::{KEY, LONG, System, connect};
use serde_json::{Value, json};
use std::fmt::Write as _;
use testutil::{Program, poll};

/// The receipt of the upload with this answer, once it is final.
async fn receipt(system: &System, answer: &Value) -> Value {
    let id = answer["id"].as_str().unwrap();
    poll(LONG, async || {
        let (status, receipt) = system.get(&format!("ingests/{id}?wait=5s")).await;
        assert_eq!(status, 200, "{receipt}");
        (receipt["status"] != "pending").then_some(receipt)
    })
    .await
}

fn number(receipt: &Value, key: &str) -> u64 {
    receipt[key].as_u64().unwrap_or_else(|| panic!("{key} in {receipt}"))
}

/// Checks that a receipt adds up and agrees with the answer.
fn adds_up(receipt: &Value, answer: &Value) {
    assert_eq!(receipt["status"], "persisted", "{receipt}");
    for key in ["id", "accepted", "rejected"] {
        assert_eq!(receipt[key], answer[key], "{key}: {receipt} {answer}");
    }
    let done: u64 = ["persisted", "duplicates", "conflicts", "failed"]
        .iter()
        .map(|key| number(receipt, key))
        .sum();
    assert_eq!(done, number(receipt, "accepted"), "{receipt}");
}

#[tokio::test]
async fn every_kind_of_upload_has_its_receipt() {
    let system = System::start(2).await;
    let line = |second: u32, value: u32| {
        format!("{{\"sensor\":\"speed\",\"value\":{value},\"timestamp\":\"2025-05-01T12:00:{second:02}Z\"}}\n")
    };
    let many: String = (0..60).map(|second| line(second, 1)).collect();
    let mut large = String::new();
    for step in 0..40_000 {
        let (minute, second, tenth) = (step / 600 % 60, step / 10 % 60, step % 10);
        let hour = step / 36_000;
        writeln!(
            large,
            "{{\"sensor\":\"fuel\",\"value\":{step},\"timestamp\":\"2025-05-01T{hour:02}:{minute:02}:{second:02}.{tenth}Z\"}}"
        )
        .unwrap();
    }
    // Body, then its counts: accepted, rejected, persisted, duplicates, conflicts.
    let cases = [
        (many.clone(), [60, 0, 60, 0, 0]),
        (many.clone() + "nonsense\n" + &line(3, 2), [61, 1, 0, 60, 1]),
        (String::new(), [0, 0, 0, 0, 0]),
        ("nonsense\n".to_owned(), [0, 1, 0, 0, 0]),
        (line(3, 2) + &line(3, 2) + &line(3, 1), [3, 0, 0, 1, 2]),
        (large.clone(), [40_000, 0, 40_000, 0, 0]),
        (large + "nonsense", [40_000, 1, 0, 40_000, 0]),
    ];
    for (body, expected) in cases {
        let length = body.len();
        let (_, answer) = system.post(body).await;
        let receipt = receipt(&system, &answer).await;
        adds_up(&receipt, &answer);
        let found = ["accepted", "rejected", "persisted", "duplicates", "conflicts"].map(|key| number(&receipt, key));
        assert_eq!(found, expected, "a body of {length} bytes: {receipt}");
    }
    // Ids that are malformed or that no upload can have.
    for id in [
        "1",
        "%ff",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    ] {
        assert_eq!(system.get(&format!("ingests/{id}")).await.0, 404, "{id}");
    }
    let (status, early) = system.get(&format!("ingests/{}", uuid::Uuid::now_v7())).await;
    assert_eq!((status, &early["status"]), (200, &json!("pending")));
    assert_eq!(
        system
            .get(&format!("ingests/{}?wait=soon", uuid::Uuid::now_v7()))
            .await
            .0,
        400
    );
}

/// A receipt shows the first invalid lines of its upload, unless persistors omit them by their settings.
#[tokio::test]
async fn a_receipt_tells_of_the_lines_that_are_no_readings() {
    let mut system = System::start(1).await;
    let good = r#"{"sensor":"speed","value":1,"timestamp":"2025-05-01T12:00:00Z"}"#;
    let two = format!("{good} {{\"sensor\":\"größe\"}}");
    // The lines of the first upload make several dead letters.
    let many: String = (0..150)
        .map(|number| format!("{number} {}\n", "🚗".repeat(1000)))
        .collect();
    let invalid = async |system: &System, answer: &Value, count: usize| {
        let told = poll(LONG, async || {
            let receipt = receipt(system, answer).await;
            let told = receipt["invalid"].as_array().cloned().unwrap_or_default();
            (told.len() == count).then_some(told)
        });
        told.await
    };
    let (status, answer) = system.post(format!("{two}\n{many}")).await;
    assert_eq!((status, &answer["rejected"]), (400, &json!(151)));
    let told = invalid(&system, &answer, 100).await;
    for (told, shown) in told.iter().zip(answer["invalid"].as_array().unwrap()) {
        for key in ["line", "value", "reason"] {
            assert_eq!(told[key], shown[key], "{told} {shown}");
        }
        let reading = shown["reading"].as_str().unwrap();
        assert_eq!(
            told["reading"].as_str().unwrap(),
            reading.chars().take(256).collect::<String>()
        );
    }
    assert_eq!((&told[0]["value"], told[1].get("value")), (&json!(2), None));
    let (_, answer) = system.post(good).await;
    assert_eq!(receipt(&system, &answer).await.get("invalid"), None);

    system.persistors[0].signal(testutil::Signal::SIGTERM);
    assert_eq!(system.persistors[0].wait(LONG).await, 0);
    system.persistors[0] = system.persistor().args(["--receipt-lines", "false"]).start().await;
    let (_, answer) = system.post("nonsense").await;
    let database = connect(&system.database.url()).await;
    let count = "SELECT count(*) FROM dead_letter WHERE strpos(encode(payload, 'escape'), $1) > 0";
    let id = answer["id"].as_str().unwrap();
    poll(LONG, async || {
        let letters = database.query_one(count, &[&id]).await.unwrap();
        (letters.get::<_, i64>(0) == 1).then_some(())
    })
    .await;
    invalid(&system, &answer, 0).await;
}

/// Persistors are killed repeatedly between a commit and its acknowledgement, or within a commit; the
/// sums stay exact.
#[tokio::test]
async fn receipts_stay_exact_through_killed_persistors() {
    let bodies = bodies().await;
    let mut system = System::start(2).await;
    let mut answers = Vec::new();
    // Twice, so that half of the readings are duplicates, in any batch.
    for body in bodies.iter().chain(bodies.iter()) {
        let (status, answer) = system.post(body.text.clone()).await;
        assert_eq!(status, 200, "{answer}");
        answers.push(answer);
        for number in 0..2 {
            system.persistors[number].kill9().await;
            system.persistors[number] = system.persistor().start().await;
        }
    }
    let mut persisted = 0;
    for answer in &answers {
        let receipt = receipt(&system, answer).await;
        adds_up(&receipt, answer);
        persisted += number(&receipt, "persisted");
    }
    let rows = distinct(bodies.iter().map(|body| body.text.as_str())).len();
    assert_eq!(persisted, rows as u64, "each row is some upload's");
    assert_eq!(system.rows().await.len(), rows);
}

#[tokio::test]
async fn a_replay_is_proved_by_its_receipts() {
    let bodies = bodies().await;
    let mut system = System::start(1).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.ndjson");
    let text: String = bodies.iter().map(|body| body.text.as_str()).collect();
    std::fs::write(&path, &text).unwrap();
    let ingestor = system.ingestor.address("main").await;
    let replay = |api: String| {
        Program::new("odograph")
            .args(["replay", path.to_str().unwrap(), "--url", &format!("http://{ingestor}")])
            .args(["--chunk-bytes", "64KiB", "--api-url", &api])
            .env("API_KEY", KEY)
    };
    let api = system.api.address("main").await;
    let mut process = replay(format!("http://{api}")).spawn();
    assert_eq!(process.wait(LONG).await, 0, "{}", process.output().join("\n"));
    let summary = process.stdout().join("\n");
    let rows = system.rows().await.len();
    let proved = summary.replace(',', "");
    assert!(
        proved.contains(&format!("in the database: {rows} persisted")),
        "{summary}"
    );
    // An API over another database does not know these uploads.
    let empty = testutil::database().await;
    let mut other = Program::new("api").env("DATABASE_URL", empty.url()).start().await;
    let address = other.address("main").await;
    let mut process = replay(format!("http://{address}"))
        .args(["--prove-timeout", "1s"])
        .spawn();
    assert_eq!(process.wait(LONG).await, 1, "{}", process.output().join("\n"));
    let summary = process.stdout().join("\n");
    assert!(summary.contains("not proved: upload "), "{summary}");
}

/// All waiting requests share one query of the database, and get their answer as soon as it is stored.
#[tokio::test]
async fn a_crowd_that_waits_costs_what_one_costs() {
    const CROWD: i64 = 60;
    let system = System::start(1).await;
    let database = connect(&system.database.url()).await;
    let transactions = async || -> i64 {
        let count = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
        database.query_one(count, &[]).await.unwrap().get(0)
    };
    let before = transactions().await;
    let never: Vec<_> = (0..CROWD).map(|_| uuid::Uuid::now_v7()).collect();
    let held = never
        .iter()
        .map(async |id| system.get(&format!("ingests/{id}?wait=5s")).await);
    for (status, receipt) in futures_util::future::join_all(held).await {
        assert_eq!((status, &receipt["status"]), (200, &json!("pending")));
    }
    // One query each, ten a second for all, and the health checks of the database.
    let spent = transactions().await - before;
    assert!(spent < CROWD * 4, "{spent} transactions");

    system.persistors[0].signal(testutil::Signal::SIGSTOP);
    let body = |second: i64| format!(r#"{{"sensor":"speed","value":1,"timestamp":"2025-05-02T12:00:{second:02}Z"}}"#);
    let uploads = (0..CROWD).map(async |second| system.post(body(second)).await.1);
    let answers = futures_util::future::join_all(uploads).await;
    let waiting = answers.iter().map(async |answer| {
        system
            .get(&format!("ingests/{}?wait=30s", answer["id"].as_str().unwrap()))
            .await
    });
    let going_on = async {
        // Once some requests wait.
        poll(LONG, async || {
            let looks = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%FROM receipt%'";
            let looks: i64 = database.query_one(looks, &[]).await.unwrap().get(0);
            (looks > 0).then_some(())
        })
        .await;
        system.persistors[0].signal(testutil::Signal::SIGCONT);
    };
    let (receipts, ()) = tokio::join!(futures_util::future::join_all(waiting), going_on);
    for ((_, receipt), answer) in receipts.iter().zip(&answers) {
        adds_up(receipt, answer);
    }
}
