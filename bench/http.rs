//! One keep-alive connection to a server, so that a measurement includes no second connection and little of
//! the client.

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Deadline of an answer.
const DEADLINE: Duration = Duration::from_secs(120);
/// Bytes of an answer at the most.
const LONGEST: usize = 64 << 20;

/// A connection for one request after the other.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    /// The credentials of each request.
    bearer: Option<String>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Ends with the sender; the failed request returns the error.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            address,
            bearer: None,
        })
    }

    /// Shows this key or token with each request.
    pub(crate) fn bearing(self, token: &str) -> Self {
        Self {
            bearer: Some(format!("Bearer {token}")),
            ..self
        }
    }

    /// Sends a GET; fails unless its answer is a success.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// As [`Connection::get`], with a body.
    pub(crate) async fn post(&mut self, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        self.ask(Method::POST, path, body).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string());
        if let Some(bearer) = &self.bearer {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let request = request.body(Full::new(body))?;
        let exchange = async {
            self.sender.ready().await?;
            let answer = self.sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LONGEST).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
            let start = String::from_utf8_lossy(&body[..body.len().min(500)]);
            ensure!(status.is_success(), "{path}: {status}: {start}");
            Ok(body)
        };
        timeout(DEADLINE, exchange).await.context("no answer in time")?
    }
}
