//! Slow clients, malicious or not: none holds a connection slot for ever.

use crate::system::{self, KEY, LONG};
use std::net::SocketAddr;
use std::time::Duration;
use testutil::{Process, Program, nats_url, unique};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SHORT: [&str; 6] = [
    "--head-timeout",
    "1s",
    "--answer-idle-timeout",
    "1s",
    "--max-connections",
    "4",
];

/// Sends `first` and then a byte of `trickle` at a time, until the server closes the connection; returns
/// its answer.
async fn until_closed(address: SocketAddr, first: &str, trickle: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        for byte in trickle.bytes().cycle() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            // An error means closed, which the reader sees as well.
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut said = Vec::new();
    let close = async {
        let _closed_or_reset = reader.read_to_end(&mut said).await;
    };
    let closed = timeout(LONG, async {
        tokio::select! {
            () = close => {}
            () = drip => {}
        }
    });
    assert!(closed.await.is_ok(), "never closed: {first:?} and {trickle:?}");
    String::from_utf8_lossy(&said).into_owned()
}

/// Sends requests without reading answers, until the server closes the connection.
async fn never_reads(address: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let question = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(100);
    let broken = timeout(LONG, async {
        while stream.write_all(question.as_bytes()).await.is_ok() {}
    });
    assert!(broken.await.is_ok(), "{path} is asked for without an end");
}

/// Slow clients that every port has to cut off.
async fn no_port_waits_for_ever(address: SocketAddr, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n");
    let kept = format!("{head}\r\n");
    let unsent = format!("{head}content-length: 1000\r\n\r\n");
    let (silent, slow, idle, body, ()) = tokio::join!(
        until_closed(address, "", ""),
        until_closed(address, &head, "x"),
        until_closed(address, &kept, ""),
        until_closed(address, &unsent, "x"),
        never_reads(address, path),
    );
    assert_eq!((silent.as_str(), slow.as_str()), ("", ""));
    assert!(idle.starts_with("HTTP/1.1 200 "), "{idle}");
    assert!(body.starts_with("HTTP/1.1 200 "), "{body}");
}

async fn addresses(process: &mut Process) -> [SocketAddr; 2] {
    [process.address("main").await, process.address("admin").await]
}

#[tokio::test]
async fn slow_clients_of_an_ingestor_are_closed() {
    let bus = nats_url(&unique("readings"));
    let flags = ["--upload-idle-timeout", "1s", "--upload-timeout", "2s"];
    let mut ingestor = system::ingestor(&bus).args(SHORT).args(flags).start().await;
    let [main, admin] = addresses(&mut ingestor).await;
    let upload = |key: &str| {
        format!("POST /ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: 100000\r\n\r\n")
    };
    let (good, bad) = (upload(KEY), upload("no-key"));
    // Eleven clients at once on four slots: a waiting client gets the next free one.
    let ((), (), idle, slow, stranger) = tokio::join!(
        no_port_waits_for_ever(main, "/health"),
        no_port_waits_for_ever(admin, "/metrics"),
        until_closed(main, &good, ""),
        until_closed(main, &good, "\n"),
        until_closed(main, &bad, "\n"),
    );
    for (said, status) in [(idle, "408"), (slow, "408"), (stranger, "401")] {
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {said}");
    }
    // Silent clients take all slots: the next client waits, and is served.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(main).await.unwrap());
    }
    let answer = system::client()
        .get(format!("http://{main}/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn slow_clients_of_an_api_are_closed() {
    let database = testutil::database().await;
    let mut api = Program::new("api")
        .env("DATABASE_URL", database.url())
        .args(SHORT)
        .start()
        .await;
    let [main, admin] = addresses(&mut api).await;
    tokio::join!(
        no_port_waits_for_ever(main, "/health"),
        no_port_waits_for_ever(main, "/api/status"),
        no_port_waits_for_ever(admin, "/metrics"),
    );
}
