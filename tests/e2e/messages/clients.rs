//! grpcurl and buf: the lines of the documentation.

use super::{narrow_server, peer, port, server};
use crate::system::LONG;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use testutil::workspace;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// What the documentation puts.
const PUT: &str = r#"{"msgs": [
  {"id": "3426d090-1b8a-4a09-ac9c-41f2de24d5ac", "type": "example.type", "source": "example/uri", "spec_version": "1.0",
   "attributes": {"subject": {"ce_string": "lada"}, "time": {"ce_timestamp": "2026-04-12T23:20:50.52Z"}},
   "text_data": "the tank is half full"},
  {"id": "3426d090-1b8a-4a09-ac9c-41f2de24d5ad", "type": "example.type", "source": "example/uri", "spec_version": "1.0",
   "attributes": {"subject": {"ce_string": "niva"}, "time": {"ce_timestamp": "2026-05-11T12:02:05.25Z"}},
   "text_data": "at the border"}
]}"#;

const IDS: &str = r#"{"ids": ["3426d090-1b8a-4a09-ac9c-41f2de24d5ac", "3426d090-1b8a-4a09-ac9c-41f2de24d5ad"]}"#;

/// Runs a program in the folder of the services. Returns its standard output.
async fn run(program: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(workspace().join("internal/message"))
        .env(
            "PATH",
            format!("{}:{}", peer("bin").display(), std::env::var("PATH").unwrap()),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; run scripts/install-peers.sh", program.display()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = timeout(LONG, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn parsed(output: &str) -> Value {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// What a get of [`IDS`] answers, in the JSON of protobuf.
fn found() -> Value {
    let message = |id: &str, subject: &str, time: &str, text: &str| {
        json!({
            "id": id, "type": "example.type", "source": "example/uri", "specVersion": "1.0", "textData": text,
            "attributes": {"subject": {"ceString": subject}, "time": {"ceTimestamp": time}},
        })
    };
    json!({"msgs": [
        message("3426d090-1b8a-4a09-ac9c-41f2de24d5ac", "lada", "2026-04-12T23:20:50.520Z", "the tank is half full"),
        message("3426d090-1b8a-4a09-ac9c-41f2de24d5ad", "niva", "2026-05-11T12:02:05.250Z", "at the border"),
    ]})
}

#[tokio::test]
async fn the_lines_of_the_documentation_run_by_grpcurl() {
    let database = testutil::database().await;
    let mut server = narrow_server(&database).await.start().await;
    let address = format!("localhost:{}", port(&mut server).await);
    let grpcurl = peer("bin/grpcurl");
    let call = async |method: &str, input: &str| {
        let arguments = ["-plaintext", "-proto", "api/grpc/service.proto", "-d", "@", &address];
        let method = format!("awakari.messages.Service/{method}");
        parsed(&run(&grpcurl, &[&arguments[..], &[&method]].concat(), input).await)
    };
    assert_eq!(call("PutBatch", PUT).await, json!({"ackCount": 2}));
    assert_eq!(
        call("PutBatch", &PUT.replace("spec_version", "specVersion")).await,
        json!({"ackCount": 2})
    );
    assert_eq!(call("GetBatch", IDS).await, found());
    assert_eq!(call("DeleteBatch", IDS).await, json!({"ackCount": 2}));
    assert_eq!(call("GetBatch", IDS).await, json!({}));
    let clean = [
        "-plaintext",
        "-proto",
        "api/grpc/cleaner/service.proto",
        &address,
        "awakari.messages.cleaner.Service/Clean",
    ];
    assert_eq!(parsed(&run(&grpcurl, &clean, "").await), json!({}));
    // By reflection (v1alpha), and health.
    let services = run(&grpcurl, &["-plaintext", &address, "list"], "").await;
    for service in [
        "awakari.messages.Service",
        "awakari.messages.cleaner.Service",
        "grpc.health.v1.Health",
    ] {
        assert!(services.lines().any(|line| line == service), "{services}");
    }
    let health = run(&grpcurl, &["-plaintext", &address, "grpc.health.v1.Health/Check"], "").await;
    assert_eq!(parsed(&health), json!({"status": "SERVING"}));
}

#[tokio::test]
async fn buf_calls_by_reflection() {
    let database = testutil::database().await;
    let mut server = server(&database).start().await;
    let port = port(&mut server).await;
    let buf = peer("npm/node_modules/.bin/buf");
    let call = async |method: &str, input: &str| {
        let url = format!("http://localhost:{port}/awakari.messages.Service/{method}");
        let arguments = [
            "curl",
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            "--reflect-protocol",
            "grpc-v1",
            "-d",
            "@-",
            &url,
        ];
        parsed(&run(&buf, &arguments, input).await)
    };
    assert_eq!(call("PutBatch", PUT).await, json!({"ackCount": 2}));
    assert_eq!(call("GetBatch", IDS).await, found());
    assert_eq!(call("DeleteBatch", IDS).await, json!({"ackCount": 2}));
}
