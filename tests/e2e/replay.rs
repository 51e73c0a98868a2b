//! `odograph replay` against an ingestor that is killed and restarted.

use crate::source::{bodies, distinct};
use crate::system::{KEY, LONG, System, connect, ingestor};
use std::io::Write;
use testutil::{Program, poll};

#[tokio::test]
async fn a_replay_outlives_its_ingestor() {
    let bodies = bodies().await;
    let folder = tempfile::tempdir().unwrap();
    let text: String = bodies.iter().map(|body| body.text.as_str()).collect();
    let expected = i64::try_from(distinct([text.as_str()].into_iter()).len()).unwrap();

    let mut system = System::start(1).await;
    let port = system.ingestor.address("main").await.port().to_string();
    let (stdin, pipe) = std::io::pipe().unwrap();
    let mut replay = Program::new("odograph")
        .args(["replay", "-", "--url", &format!("http://127.0.0.1:{port}")])
        .args(["--chunk-bytes", "64KiB"])
        .env("API_KEY", KEY)
        .stdin(stdin)
        .current_dir(folder.path())
        .spawn();
    let database = connect(&system.database.url()).await;
    // In three parts, so that it cannot end before the ingestor was killed twice.
    let third = text.len() / 3;
    let parts = [&text[..third], &text[third..2 * third], &text[2 * third..]].map(str::to_owned);
    for (number, part) in parts.into_iter().enumerate() {
        let mut pipe = pipe.try_clone().unwrap();
        let writing = tokio::task::spawn_blocking(move || pipe.write_all(part.as_bytes()));
        if number < 2 {
            let goal = expected * i64::try_from(number).unwrap() / 3;
            poll(LONG, async || {
                let row = database.query_one("SELECT count(*) FROM reading", &[]).await;
                (row.unwrap().get::<_, i64>(0) > goal).then_some(())
            })
            .await;
            system.ingestor.kill9().await;
            system.ingestor = ingestor(&system.bus).args(["--port", &port]).start().await;
        }
        writing.await.unwrap().unwrap();
    }
    drop(pipe);
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
