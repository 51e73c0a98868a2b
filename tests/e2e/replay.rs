//! `odograph replay` against an ingestor that comes and goes.

use crate::source::{bodies, distinct};
use crate::system::{KEY, LONG, System, connect, ingestor};
use std::fs::File;
use testutil::{Program, poll};

#[tokio::test]
async fn a_replay_outlives_its_ingestor() {
    let bodies = bodies().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.ndjson");
    let text: String = bodies.iter().map(|body| body.text.as_str()).collect();
    std::fs::write(&path, &text).unwrap();
    let expected = i64::try_from(distinct([text.as_str()].into_iter()).len()).unwrap();

    let mut system = System::start(1).await;
    let port = system.ingestor.address("main").await.port().to_string();
    let mut replay = Program::new("odograph")
        .args([
            "replay",
            "-",
            "--url",
            &format!("http://127.0.0.1:{port}"),
            "--chunk-bytes",
            "64KiB",
        ])
        .env("API_KEY", KEY)
        .stdin(File::open(&path).unwrap())
        .current_dir(folder.path())
        .spawn();
    let database = connect(&system.database.url()).await;
    for part in [10, 2] {
        poll(LONG, async || {
            let rows: i64 = database
                .query_one("SELECT count(*) FROM reading", &[])
                .await
                .unwrap()
                .get(0);
            (rows > expected / part).then_some(())
        })
        .await;
        assert!(!replay.has_ended(), "the replay ended before the kill");
        system.ingestor.kill9().await;
        system.ingestor = ingestor(&system.bus).args(["--port", &port]).start().await;
    }
    assert_eq!(replay.wait(LONG).await, 0, "{}", replay.output().join("\n"));
    system.wait_for_rows(expected).await;
    let summary = replay.stdout().join("\n");
    let digits: String = summary.chars().filter(char::is_ascii_digit).collect();
    assert!(digits.contains(&text.lines().count().to_string()), "{summary}");
}

#[tokio::test]
async fn rejected_lines_are_kept_with_their_reasons() {
    let system = System::start(1).await;
    let folder = tempfile::tempdir().unwrap();
    let good = r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;
    let path = folder.path().join("drive.ndjson");
    std::fs::write(&path, format!("{good}\n{}{good}\n", "nonsense\n".repeat(250))).unwrap();
    let url = system.ingest_url.trim_end_matches("/ingest").to_owned();
    let mut replay = Program::new("odograph")
        .arg("replay")
        .arg(&path)
        .args(["--url", &url])
        .env("API_KEY", KEY)
        .spawn();
    assert_eq!(replay.wait(LONG).await, 1, "{}", replay.output().join("\n"));
    let rejected = std::fs::read_to_string(folder.path().join("drive.ndjson.rejected.ndjson")).unwrap();
    let lines: Vec<serde_json::Value> = rejected
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let numbers: Vec<u64> = lines.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (2..=251).collect::<Vec<u64>>());
    assert!(
        lines
            .iter()
            .all(|line| line["reading"] == "nonsense" && !line["reason"].as_str().unwrap().is_empty())
    );
    system.wait_for_rows(1).await;

    let mut wrong = Program::new("odograph")
        .arg("replay")
        .arg(&path)
        .args(["--url", &url])
        .env("API_KEY", "wrong")
        .spawn();
    assert_eq!(wrong.wait(LONG).await, 1);
    assert!(wrong.output().join("\n").contains("key"), "{:?}", wrong.output());
}
