//! `messages` by clients of other makers: grpcurl, buf and Python's grpcio; and killed at random.

use crate::system::LONG;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use testutil::{Database, Process, Program, Signal, workspace};
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

fn server(database: &Database) -> Program {
    Program::new("messages")
        .env("DATABASE_URL", database.url())
        .env("API_PORT", "0")
}

/// A server with only the database rights of `scripts/roles.sql`.
async fn narrow_server(database: &Database) -> Program {
    testutil::give_roles(&database.url()).await;
    server(database)
        .env("DATABASE_URL", database.url_as("odograph_messages"))
        .args(["--migrate", "false"])
}

async fn port(server: &mut Process) -> u16 {
    server.address("messages").await.port()
}

fn peer(program: &str) -> PathBuf {
    workspace().join(".tools/peers").join(program)
}

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

/// Runs the steps of `messages/calls.py`: each a method, a request and metadata.
async fn calls(port: u16, steps: Value) -> Vec<Value> {
    let script = workspace().join("tests/e2e/messages/calls.py");
    let answers = testutil::python(
        &script,
        &json!({"address": format!("localhost:{port}"), "calls": steps}),
    )
    .await;
    answers.as_array().unwrap().clone()
}

/// A batch at each limit is taken; one byte, or one message, above it gets its status.
#[tokio::test]
async fn limits_have_their_statuses() {
    let database = testutil::database().await;
    let flags = [
        "--max-batch",
        "50",
        "--max-message",
        "2000",
        "--max-request",
        "20000",
        "--max-answer",
        "9000",
    ];
    let mut server = server(&database).args(flags).start().await;
    let port = port(&mut server).await;
    let put = |call: Value| {
        let mut put = json!({"method": "PutBatch"});
        put.as_object_mut().unwrap().extend(call.as_object().unwrap().clone());
        put
    };
    let cases = [
        // Messages in a batch.
        (put(json!({"messages": 50})), "OK", "", false),
        (put(json!({"messages": 51})), "RESOURCE_EXHAUSTED", "", false),
        // Bytes of a message, of its id and of its source.
        (put(json!({"message_bytes": 2000})), "OK", "", false),
        (
            put(json!({"message_bytes": 2001})),
            "INVALID_ARGUMENT",
            "msgs[0]",
            false,
        ),
        (put(json!({"id": "i".repeat(256)})), "OK", "", false),
        (
            put(json!({"id": "i".repeat(257)})),
            "INVALID_ARGUMENT",
            "msgs[0].id",
            false,
        ),
        (put(json!({"id": ""})), "INVALID_ARGUMENT", "msgs[0].id", false),
        (put(json!({"id": "a\u{0}"})), "INVALID_ARGUMENT", "msgs[0].id", false),
        (put(json!({"source": "s".repeat(1024)})), "OK", "", false),
        (
            put(json!({"source": "s".repeat(1025)})),
            "INVALID_ARGUMENT",
            "msgs[0].source",
            false,
        ),
        (put(json!({"attributes": 64})), "OK", "", false),
        (
            put(json!({"attributes": 65})),
            "INVALID_ARGUMENT",
            "msgs[0].attributes",
            false,
        ),
        // Bytes of a request, plain and compressed.
        (put(json!({"request_bytes": 20_000})), "OK", "", false),
        (put(json!({"request_bytes": 20_001})), "RESOURCE_EXHAUSTED", "", false),
        (put(json!({"request_bytes": 20_000, "gzip": true})), "OK", "", false),
        (
            put(json!({"request_bytes": 20_001, "gzip": true})),
            "RESOURCE_EXHAUSTED",
            "",
            false,
        ),
        // A bomb: 100 MB of zeros in 100 kB.
        (
            put(json!({"request_bytes": 100_000_000, "gzip": true})),
            "RESOURCE_EXHAUSTED",
            "",
            false,
        ),
        // Ids in a request, and bytes of an answer.
        (json!({"method": "GetBatch", "ids": 50}), "OK", "", false),
        (
            json!({"method": "GetBatch", "ids": 51}),
            "RESOURCE_EXHAUSTED",
            "",
            false,
        ),
        (json!({"method": "DeleteBatch", "ids": 50}), "OK", "", false),
        (
            json!({"method": "DeleteBatch", "ids": 51}),
            "RESOURCE_EXHAUSTED",
            "",
            false,
        ),
        // Bytes that are no message.
        (
            json!({"method": "PutBatch", "raw": "ffff"}),
            "INVALID_ARGUMENT",
            "",
            false,
        ),
        (
            json!({"method": "PutBatch", "raw": "0a02ffff"}),
            "INVALID_ARGUMENT",
            "msgs[0]",
            false,
        ),
        (
            json!({"method": "GetBatch", "raw": "0a01ff"}),
            "INVALID_ARGUMENT",
            "",
            false,
        ),
    ];
    let answers = calls(port, cases.iter().map(|(call, ..)| call.clone()).collect()).await;
    for ((call, status, field, retry), answer) in cases.iter().zip(answers) {
        assert_eq!(answer["status"], *status, "{call}: {answer}");
        assert_eq!(answer["field"], *field, "{call}: {answer}");
        assert_eq!(answer["retry"], *retry, "{call}: {answer}");
    }
    // An answer as long as it may be, one that is longer, and a single id.
    let long = |id: &str| json!({"method": "PutBatch", "id": id, "message_bytes": 1997});
    let get = |ids: &[&str]| json!({"method": "GetBatch", "named": ids});
    let steps = json!([
        long("a"),
        long("b"),
        long("c"),
        long("d"),
        long("e"),
        get(&["a", "b", "c", "d"]),
        get(&["a", "b", "c", "d", "e"]),
        get(&["e"]),
    ]);
    let answers = calls(port, steps).await;
    let found: Vec<_> = answers[5..]
        .iter()
        .map(|answer| (answer["status"].as_str().unwrap(), &answer["count"]))
        .collect();
    assert_eq!(
        found,
        [
            ("OK", &json!(4)),
            ("RESOURCE_EXHAUSTED", &Value::Null),
            ("OK", &json!(1))
        ]
    );
}

#[tokio::test]
async fn keys_let_in_and_other_content_is_named() {
    let database = testutil::database().await;
    let folder = tempfile::tempdir().unwrap();
    let key = |device: &str| {
        let output = std::process::Command::new(testutil::built("odograph"))
            .args(["key", "new", "--device", device])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text
            .lines()
            .filter(|line| line.starts_with("  "))
            .map(|line| line.trim().to_owned());
        (lines.next().unwrap(), lines.next().unwrap())
    };
    let (own, fleet) = (key("messages"), key("lada"));
    let file = folder.path().join("keys");
    std::fs::write(&file, format!("{}\n{}\n", own.1, fleet.1)).unwrap();
    let mut server = server(&database)
        .arg("--api-keys-file")
        .arg(&file)
        .env("API_KEY", "a key of the flags")
        .start()
        .await;
    let port = port(&mut server).await;
    let with = |key: &str, text: &str| json!({"method": "PutBatch", "id": "a", "text": text, "key": key});
    let steps = json!([
        {"method": "PutBatch", "id": "a"}, with("wrong", "1"), with(&fleet.0, "1"),
        with(&own.0, "1"), with("a key of the flags", "1"), with(&own.0, "2"),
    ]);
    let answers = calls(port, steps).await;
    let statuses: Vec<_> = answers
        .iter()
        .map(|answer| answer["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        [
            "UNAUTHENTICATED",
            "UNAUTHENTICATED",
            "PERMISSION_DENIED",
            "OK",
            "OK",
            "ALREADY_EXISTS"
        ]
    );
    assert_eq!(answers[5]["field"], "msgs[0].id");
}

/// Four writers, each of which notes what was acknowledged, while the server is killed: all of it is there, once.
#[tokio::test]
async fn what_was_acknowledged_survives_kills() {
    let database = testutil::database().await;
    let mut running = narrow_server(&database).await.start().await;
    let port = port(&mut running).await;
    let script = workspace().join("tests/e2e/messages/writers.py");
    let folder = tempfile::tempdir().unwrap();
    let stop = folder.path().join("stop");
    let question = json!({"address": format!("localhost:{port}"), "stop": stop, "writers": 4});
    let writing = tokio::spawn(async move { testutil::python(&script, &question).await });
    let stored = async || {
        let client = client(&database).await;
        let rows = client.query_one("SELECT count(*) FROM message", &[]).await;
        rows.map_or(0, |row| row.get::<_, i64>(0))
    };
    for _ in 0..5 {
        let more = stored().await + 200;
        testutil::poll(LONG, async || (stored().await > more).then_some(())).await;
        running.signal(Signal::SIGKILL);
        running.wait(LONG).await;
        let again = narrow_server(&database).await.env("API_PORT", port.to_string());
        running = again.start().await;
    }
    let more = stored().await + 200;
    testutil::poll(LONG, async || (stored().await > more).then_some(())).await;
    std::fs::write(&stop, "").unwrap();
    let answer = writing.await.unwrap();
    assert!(answer["acknowledged"].as_u64().unwrap() > 1000, "{answer}");
    assert_eq!(
        (&answer["missing"], &answer["failed"]),
        (&json!([]), &json!([])),
        "{answer}"
    );
    let client = client(&database).await;
    let twice = "SELECT count(*) FROM (SELECT FROM message GROUP BY id, source HAVING count(*) > 1) AS twice";
    assert_eq!(client.query_one(twice, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// Runs `odograph messages`. Returns its exit code, and what it wrote.
async fn odograph(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(testutil::built("odograph"))
        .arg("messages")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = timeout(LONG, child.wait_with_output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn lines(messages: impl Iterator<Item = (String, String)>) -> String {
    let line = |(id, text): (String, String)| json!({"id": id, "source": "car", "textData": text}).to_string() + "\n";
    messages.map(line).collect()
}

#[tokio::test]
async fn people_put_get_list_and_delete() {
    let database = testutil::database().await;
    let mut server = server(&database).args(["--max-answer", "9000"]).start().await;
    let url = format!("http://127.0.0.1:{}", port(&mut server).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("messages.json");
    let all = || (0..2500).map(|number| (number.to_string(), format!("text {number}")));
    std::fs::write(&file, lines(all())).unwrap();
    let file = file.to_str().unwrap();
    // Again is harmless.
    for _ in 0..2 {
        let (code, said, error) = odograph(&["--url", &url, "put", file], "").await;
        assert_eq!((code, &*said), (Some(0), "2500 messages are stored\n"), "{error}");
    }
    // Two of a thousand are others: the rest is stored.
    let some = (2000..3000).map(|number| {
        (
            number.to_string(),
            format!("text {}", if number < 2002 { 0 } else { number }),
        )
    });
    let (code, said, error) = odograph(&["--url", &url, "put", "-"], &lines(some)).await;
    assert_eq!((code, &*said), (Some(1), "998 messages are stored\n"), "{error}");
    assert_eq!(
        error,
        "another message with the id \"2000\" and the source \"car\" is stored\n\
         another message with the id \"2001\" and the source \"car\" is stored\n\
         2 are not: another message has their id and source\n"
    );
    // More than one answer holds.
    let ids: String = (0..3000).map(|number| format!("{number}\n")).collect();
    let (code, said, error) = odograph(&["--url", &url, "get", "-"], &ids).await;
    let expected = lines((0..3000).map(|number| (number.to_string(), format!("text {number}"))));
    assert_eq!(code, Some(0), "{error}");
    assert!(said == expected, "{} lines", said.lines().count());
    let (code, ..) = odograph(&["--url", &url, "delete", "-"], &ids).await;
    assert_eq!(code, Some(0));
    assert_eq!(
        odograph(&["--url", &url, "get", "1", "2"], "").await,
        (Some(0), String::new(), String::new())
    );
    let (_, said, _) = odograph(&["--url", &url, "clean"], "").await;
    assert_eq!(said, "0 messages are gone from the disk\n");

    odograph(
        &["--url", &url, "put", "-"],
        &lines([("a".to_owned(), "1".to_owned())].into_iter()),
    )
    .await;
    let list = [
        "list",
        "--source",
        "car",
        "--since",
        "2024-01-01T00:00:00Z",
        "--database-url",
    ];
    let (code, said, error) = odograph(&[&list[..], &[&database.url()]].concat(), "").await;
    assert_eq!(code, Some(0), "{error}");
    assert!(said.ends_with("\ta\tcar\n") && said.lines().count() == 1, "{said}");
    // What is wrong is said with its place.
    let (code, _, error) = odograph(&["--url", &url, "put", "-"], "{\"id\":\"b\"}\n{\"ids\":1}\n").await;
    assert_eq!(code, Some(1));
    assert!(error.starts_with("odograph: -, line 2 is no message: "), "{error}");
    let (code, _, error) = odograph(&["--url", &url, "put", "-"], "{\"source\":\"b\"}\n").await;
    assert_eq!(
        (code, &*error),
        (
            Some(1),
            "odograph: Nothing was stored. msgs[0].id: it has 0 bytes; write 1 to 256. Ids: \"\"\n"
        )
    );
}

#[tokio::test]
async fn tls_silence_and_other_protocols() {
    let database = testutil::database().await;
    let (folder, authority) = (tempfile::tempdir().unwrap(), testutil::Authority::new());
    let _paths = authority.write(folder.path());
    let ca = folder.path().join("trusted.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let mut secret = server(&database)
        .args(["--head-timeout", "2s", "--tls-cert"])
        .arg(folder.path().join("cert.pem"))
        .arg("--tls-key")
        .arg(folder.path().join("key.pem"))
        .start()
        .await;
    let url = format!("https://localhost:{}", port(&mut secret).await);
    let ca = ca.to_str().unwrap();
    let line = lines([("a".to_owned(), "1".to_owned())].into_iter());
    let (code, said, error) = odograph(&["--url", &url, "--ca", ca, "put", "-"], &line).await;
    assert_eq!((code, &*said), (Some(0), "1 messages are stored\n"), "{error}");
    let untrusting = ["--url", &url, "--max-retry-time", "0s", "put", "-"];
    assert_eq!(odograph(&untrusting, &line).await.0, Some(1));

    let mut plain = server(&database).args(["--head-timeout", "2s"]).start().await;
    let port = port(&mut plain).await;
    let closed = async |bytes: &[u8]| {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut said = String::new();
        let read = timeout(LONG, tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut said)).await;
        read.expect("never closed").unwrap();
        said
    };
    assert_eq!(closed(b"").await, "");
    assert_eq!(closed(b"PRI * HT").await, "");
    let said = closed(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(
        said.starts_with("HTTP/1.1 400 ") && said.ends_with("This port speaks gRPC, over HTTP/2.\n"),
        "{said}"
    );
}

async fn client(database: &Database) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
