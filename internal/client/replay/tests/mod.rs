//! Whole replays against a server that gives awkward answers on purpose.

mod answers;
mod server;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::server::{Reply, Server, judge};
use super::{Error, Input, Options, Progress, Summary, run};

/// Good lines, except at the places that `bad` picks.
fn lines(count: usize, bad: impl Fn(usize) -> bool) -> String {
    (1..=count)
        .map(|line| {
            if bad(line) {
                format!("bad {line}\n")
            } else {
                format!("{{\"line\":{line}}}\n")
            }
        })
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn options(server: &Server, inputs: &[&Path]) -> Options {
    Options {
        url: server.url(),
        api_key: Some("secret".to_owned().into()),
        device: None,
        inputs: inputs.iter().map(|path| path.to_path_buf().into()).collect(),
        chunk_bytes: 64 * 1024,
        request_timeout: Duration::from_secs(30),
        max_retry_time: Some(Duration::from_secs(30)),
        api_url: None,
        prove_timeout: Duration::from_secs(1),
    }
}

async fn replay(options: &Options) -> (Summary, Result<(), Error>) {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let all = run(options, Progress::none(), std::future::pending());
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("a replay ends")
}

/// The file of rejected lines as (line, reason, reading).
fn rejects(path: &Path) -> Vec<(u64, String, String)> {
    let text = fs::read_to_string(Input::File(path.to_owned()).rejects()).unwrap();
    text.lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| record[key].as_str().unwrap().to_owned();
            (record["line"].as_u64().unwrap(), text("reason"), text("reading"))
        })
        .collect()
}

/// The summary as people read it, without what differs from run to run.
fn said(summary: &Summary, folder: &TempDir) -> String {
    let summary = Summary {
        correlation_id: "[id]".to_owned(),
        elapsed: Duration::from_secs(1),
        ..summary.clone()
    };
    let folder = folder.path().display().to_string();
    summary.to_string().replace(&folder, "[folder]")
}

#[tokio::test]
async fn everything_arrives_in_whole_lines() {
    let folder = TempDir::new().unwrap();
    let text = lines(20_000, |_| false);
    let path = file(&folder, "drive.ndjson", &text);
    let server = Server::start(|_, body| judge(body)).await;
    let (summary, ended) = replay(&options(&server, &[&path])).await;
    ended.unwrap();

    assert!(summary.complete());
    assert_eq!((summary.accepted, summary.rejected, summary.retries), (20_000, 0, 0));
    assert_eq!(summary.bytes, text.len() as u64);
    let requests = server.requests();
    assert!(requests.len() > 3);
    let mut arrived = Vec::new();
    for request in &requests {
        assert!(request.body.len() <= 64 * 1024 && request.body.ends_with(b"\n"));
        arrived.extend_from_slice(&request.body);
        assert!(request.head.starts_with("POST /ingest HTTP/1.1\r\n"));
        // `secret:` in base64.
        assert_eq!(request.header("authorization"), Some("Basic c2VjcmV0Og=="));
        assert_eq!(request.header("content-type"), Some("application/x-ndjson; form=lines"));
        assert_eq!(request.header("x-correlation-id"), Some(&*summary.correlation_id));
        assert_eq!(
            request.header("user-agent"),
            Some(concat!("odograph/", env!("CARGO_PKG_VERSION")))
        );
    }
    assert_eq!(arrived, text.as_bytes());
    assert!(!Input::File(path).rejects().exists());
}

#[tokio::test]
async fn a_device_is_the_user_and_its_key_the_password() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(1, |_| false));
    let server = Server::start(|_, body| judge(body)).await;
    let options = Options {
        device: Some("lada".to_owned()),
        ..options(&server, &[&path])
    };
    replay(&options).await.1.unwrap();
    // `lada:secret` in base64.
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some("Basic bGFkYTpzZWNyZXQ=")
    );
}

#[tokio::test]
async fn every_rejected_line_is_kept_however_many() {
    // Sparse, dense, all, in clusters, and around the hundred that an answer lists.
    type Pattern = fn(usize) -> bool;
    let patterns: [(&str, Pattern); 5] = [
        ("sparse", |line| line % 7 == 0),
        ("dense", |line| line % 7 != 0),
        ("all", |_| true),
        ("clusters", |line| line % 1_000 < 150),
        ("a hundred and one", |line| line <= 101),
    ];
    for (name, bad) in patterns {
        let folder = TempDir::new().unwrap();
        let text = lines(5_000, bad);
        let path = file(&folder, "drive.ndjson", &text);
        let server = Server::start(|_, body| judge(body)).await;
        let (summary, ended) = replay(&options(&server, &[&path])).await;
        ended.unwrap();

        let expected: Vec<_> = (1..=5_000)
            .filter(|line| bad(*line))
            .map(|line| (line as u64, "not JSON".to_owned(), format!("bad {line}")))
            .collect();
        assert_eq!(rejects(&path), expected, "{name}");
        assert_eq!(summary.rejected, expected.len() as u64, "{name}");
        assert_eq!(summary.accepted, 5_000 - summary.rejected, "{name}");
        assert_eq!(summary.bytes, text.len() as u64, "{name}");
        assert_eq!(summary.rejects, [(Input::File(path).rejects(), summary.rejected)]);
        assert!(!summary.complete());
        let sent: usize = server.requests().iter().map(|request| request.body.len()).sum();
        assert!(sent <= 4 * text.len(), "{name}: sent {sent} bytes for {}", text.len());
    }
}

#[tokio::test]
async fn a_line_that_passes_the_second_time_is_accepted() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(300, |line| line > 50));
    let server = Server::start(|number, body| match number {
        0 => judge(body),
        _ => Reply::answer(
            200,
            &json!({"id": "01936d3a-0000-7000-8000-000000000000", "accepted": 1, "rejected": 0}).to_string(),
        ),
    })
    .await;
    let (summary, ended) = replay(&options(&server, &[&path])).await;
    ended.unwrap();
    assert_eq!((summary.accepted, summary.rejected), (200, 100));
    assert_eq!(rejects(&path).len(), 100);
}

#[tokio::test]
async fn rejected_lines_without_a_list_are_an_error() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(10, |_| false));
    let answer = json!({"id": "01936d3a-0000-7000-8000-000000000000", "accepted": 9, "rejected": 1}).to_string();
    let server = Server::start(move |_, _| Reply::answer(400, &answer)).await;
    let (_, ended) = replay(&options(&server, &[&path])).await;
    assert!(matches!(ended, Err(Error::Unlisted)), "{ended:?}");
}

#[tokio::test]
async fn gzip_is_known_by_its_first_bytes() {
    let folder = TempDir::new().unwrap();
    let text = lines(1_000, |line| line == 600);
    let (first, second) = text.split_at(text.len() / 2);
    // A tape pads its data, and a power cut the data before it.
    let zeros = vec![0; 200_000];
    let members = [gzip(first.as_bytes()), zeros.clone(), gzip(second.as_bytes()), zeros].concat();
    let packed = file(&folder, "packed", members);
    let empty = file(&folder, "empty.ndjson.gz", "");
    let server = Server::start(|_, body| judge(body)).await;
    let (summary, ended) = replay(&options(&server, &[&packed, &empty])).await;
    ended.unwrap();
    assert!(summary.broken.is_empty(), "{:?}", summary.broken);
    assert_eq!((summary.accepted, summary.rejected, summary.inputs), (999, 1, 2));
    assert_eq!(rejects(&packed), [(600, "not JSON".to_owned(), "bad 600".to_owned())]);
    let arrived: Vec<u8> = server.requests().into_iter().flat_map(|request| request.body).collect();
    assert_eq!(arrived, text.as_bytes());
}

#[tokio::test]
async fn a_broken_input_is_sent_as_far_as_it_goes() {
    let folder = TempDir::new().unwrap();
    let text = lines(50_000, |_| false);
    let packed = gzip(text.as_bytes());
    let broken = file(&folder, "broken.gz", &packed[..packed.len() / 2]);
    let garbled = file(&folder, "garbled.gz", [&packed[..], b"\x1f\x8bgarbage"].concat());
    let zstd = file(&folder, "drive.zst", b"\x28\xb5\x2f\xfd....");
    let sound = file(&folder, "sound.ndjson", "{}\n{}");
    let server = Server::start(|_, body| judge(body)).await;
    let (summary, ended) = replay(&options(&server, &[&broken, &garbled, &zstd, &sound])).await;
    ended.unwrap();

    assert!(!summary.complete());
    let told: Vec<_> = summary.broken.iter().map(|broken| broken.input.clone()).collect();
    assert_eq!(told, [Input::File(broken), Input::File(garbled), Input::File(zstd)]);
    let reasons: Vec<&str> = summary.broken.iter().map(|broken| &*broken.reason).collect();
    insta::assert_snapshot!(reasons.join("\n"));
    let arrived: Vec<u8> = server.requests().into_iter().flat_map(|request| request.body).collect();
    let half = arrived.len() - text.len() - "{}\n{}\n".len();
    assert!((1_000..text.len()).contains(&half), "{half}");
    assert!(arrived[..half].ends_with(b"\n"));
    assert_eq!(&arrived[..half], &text.as_bytes()[..half]);
    assert_eq!(&arrived[half..half + text.len()], text.as_bytes());
    assert_eq!(summary.rejected, 0);
}

#[tokio::test]
async fn a_line_longer_than_a_chunk_is_kept_back() {
    let folder = TempDir::new().unwrap();
    let long = "x".repeat(200_000);
    let path = file(
        &folder,
        "drive.ndjson",
        format!("{{\"line\":1}}\n{long}\r\n{{\"line\":3}}"),
    );
    let server = Server::start(|_, body| judge(body)).await;
    let (summary, ended) = replay(&options(&server, &[&path])).await;
    ended.unwrap();
    assert_eq!((summary.accepted, summary.rejected), (2, 1));
    let rejects = rejects(&path);
    assert_eq!((rejects.len(), rejects[0].0), (1, 2));
    assert!(long.starts_with(&rejects[0].2) && !rejects[0].2.is_empty());
    let arrived: Vec<u8> = server.requests().into_iter().flat_map(|request| request.body).collect();
    assert_eq!(arrived, b"{\"line\":1}\n{\"line\":3}\n");
}

#[tokio::test]
async fn an_earlier_runs_rejects_are_forgotten() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(10, |_| false));
    let stale = file(&folder, "drive.ndjson.rejected.ndjson", "stale\n");
    let server = Server::start(|_, body| judge(body)).await;
    replay(&options(&server, &[&path])).await.1.unwrap();
    assert!(!stale.exists());
}

#[tokio::test]
async fn inputs_are_checked_before_anything_is_sent() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(10, |_| false));
    let stale = file(&folder, "drive.ndjson.rejected.ndjson", "stale\n");
    let missing = folder.path().join("missing");
    let server = Server::start(|_, body| judge(body)).await;

    let (_, ended) = replay(&options(&server, &[&path, &missing])).await;
    assert!(matches!(ended, Err(Error::Input { .. })), "{ended:?}");
    let (_, ended) = replay(&options(&server, &[folder.path()])).await;
    assert!(matches!(ended, Err(Error::Input { .. })), "{ended:?}");
    for inputs in [[&*path, &*stale], [&*stale, &*path], [&*path, &*path]] {
        let (_, ended) = replay(&options(&server, &inputs)).await;
        assert!(matches!(ended, Err(Error::Usage(_))), "{ended:?}");
    }
    assert!(stale.exists());
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn stopped_half_way_it_tells_what_is_done() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(20_000, |line| line == 5));
    let server = Server::start(|number, body| match number {
        0 => judge(body),
        _ => Reply::Never,
    })
    .await;
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let options = options(&server, &[&path]);
    let (summary, ended) = run(&options, Progress::none(), server.arrived(2)).await;
    assert!(matches!(ended, Err(Error::Interrupted)), "{ended:?}");
    let first = &server.requests()[0].body;
    assert_eq!(summary.bytes, first.len() as u64);
    assert_eq!(summary.rejects, [(Input::File(path.clone()).rejects(), 1)]);
    assert_eq!(rejects(&path), [(5, "not JSON".to_owned(), "bad 5".to_owned())]);
    insta::assert_snapshot!(said(&summary, &folder));
}

#[tokio::test]
async fn a_live_stream_is_sent_as_it_comes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let server = Server::start(|_, body| judge(body)).await;
    let options = options(&server, &[&path]);
    let (go_on, told) = std::sync::mpsc::channel();
    let writer = tokio::task::spawn_blocking(move || {
        let mut pipe = fs::OpenOptions::new().write(true).open(&path).unwrap();
        pipe.write_all(b"{\"line\":1}\n{\"line\"").unwrap();
        told.recv().unwrap();
        pipe.write_all(b":2}").unwrap();
    });
    let meanwhile = async {
        server.arrived(1).await;
        go_on.send(()).unwrap();
    };
    let ((summary, ended), ()) = tokio::join!(replay(&options), meanwhile);
    ended.unwrap();
    writer.await.unwrap();
    assert_eq!(summary.accepted, 2);
    let bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"{\"line\":1}\n".to_vec(), b"{\"line\":2}\n".to_vec()]);
}
