//! The Host header, which HTTP/1.1 requires exactly once, on every port.

use crate::system::{self, LONG};
use std::net::SocketAddr;
use testutil::{Program, nats_url, unique};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The first line of the answer to a request, and the whole answer in lower case.
async fn exchange(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    timeout(LONG, stream.read_to_string(&mut said)).await.unwrap().unwrap();
    (said.lines().next().unwrap_or_default().to_owned(), said.to_lowercase())
}

async fn asks_for_one_host(address: SocketAddr, path: &str) {
    let far = format!("http://x{path}");
    let cases: [(&str, &str, &str, u16); 9] = [
        (path, "1.1", "host: x\r\n", 200),
        (path, "1.1", "host:\r\n", 200),
        (path, "1.1", "", 400),
        (&far, "1.1", "", 400),
        (path, "1.1", "host: x\r\nhost: x\r\n", 400),
        (path, "1.1", "Host: x\r\nx: y\r\nHOST: z\r\n", 400),
        (path, "1.0", "", 200),
        (path, "1.0", "host: x\r\n", 200),
        (path, "1.0", "host: x\r\nhost: x\r\n", 400),
    ];
    for (target, version, headers, status) in cases {
        let request = format!("GET {target} HTTP/{version}\r\n{headers}connection: close\r\n\r\n");
        let (first, said) = exchange(address, &request).await;
        assert!(
            first.starts_with(&format!("HTTP/{version} {status} ")),
            "{request}: {said}"
        );
        if status == 400 {
            for part in ["application/problem+json", "x-correlation-id: ", "host header"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn every_port_asks_for_one_host() {
    let (database, bus) = (testutil::database().await, nats_url(&unique("readings")));
    let (mut ingestor, mut persistor, mut api, mut notifier) = tokio::join!(
        system::ingestor(&bus).start(),
        system::persistor(&bus, &database.url()).start(),
        Program::new("api").env("DATABASE_URL", database.url()).start(),
        Program::new("notifier")
            .env("DATABASE_URL", database.url())
            .env("SIGNING_KEY", "a signing key that is long enough for all")
            .start(),
    );
    for process in [&mut ingestor, &mut api] {
        asks_for_one_host(process.address("main").await, "/health").await;
        asks_for_one_host(process.address("admin").await, "/livez").await;
    }
    asks_for_one_host(api.address("main").await, "/api/status").await;
    asks_for_one_host(persistor.address("admin").await, "/metrics").await;
    asks_for_one_host(notifier.address("main").await, "/health").await;
    asks_for_one_host(notifier.address("admin").await, "/metrics").await;
}
