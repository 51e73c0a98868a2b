//! `odograph messages`; TLS, silence and other protocols.

use super::{port, server};
use crate::system::LONG;
use serde_json::json;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

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
        "id \"2000\": another message has it, and its source\nid \"2001\": another message has it, and its source\n2 are not\n"
    );
    // More than one answer holds.
    let ids: String = (0..3000).map(|number| format!("{number}\n")).collect();
    let (code, said, error) = odograph(&["--url", &url, "get", "-"], &ids).await;
    let expected = lines((0..3000).map(|number| (number.to_string(), format!("text {number}"))));
    assert_eq!(code, Some(0), "{error}");
    assert!(said == expected, "{} lines", said.lines().count());
    let (code, said, error) = odograph(&["--url", &url, "delete", "-"], &ids).await;
    assert_eq!(
        (code, &*said),
        (Some(0), "the messages of 3000 ids are deleted\n"),
        "{error}"
    );
    let (_, said, _) = odograph(&["--url", &url, "delete", "missing"], "").await;
    assert_eq!(said, "the messages of 1 id are deleted\n");
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
    let of_another = "{\"id\":\"b\",\"source\":\"bus\",\"textData\":\"2\"}\n";
    odograph(&["--url", &url, "put", "-"], of_another).await;
    let later = ["list", "--since", "2999-01-01T00:00:00Z", "--database-url"];
    let (code, said, error) = odograph(&[&later[..], &[&database.url()]].concat(), "").await;
    assert_eq!((code, &*said), (Some(0), ""), "{error}");
    assert_eq!(error, "odograph: there are no such messages\n");
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
    assert_eq!((code, &*said), (Some(0), "1 message is stored\n"), "{error}");
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
