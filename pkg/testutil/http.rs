//! A minimal HTTP client to check whether a server answers.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Sends a request without a body and returns the answer's status.
pub(crate) async fn status(method: &str, address: &str, path: &str) -> std::io::Result<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        // "HTTP/1.1 200"; the rest is ignored.
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        let code = std::str::from_utf8(&head[9..]).ok().and_then(|code| code.parse().ok());
        code.ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
    };
    timeout(Duration::from_secs(5), exchange).await?
}
