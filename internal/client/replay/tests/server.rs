//! A server that reads HTTP requests properly and answers as a test wants. Written by hand: no server library
//! cuts its own connections.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The reaction to a request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Answer {
        status: u16,
        headers: String,
        body: String,
    },
    /// Closes the connection without an answer.
    Cut,
    /// Closes it in the middle of the answer.
    CutWithinAnswer,
    /// Keeps the client waiting.
    Never,
}

impl Reply {
    pub(super) fn answer(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: String::new(),
            body: body.to_owned(),
        }
    }

    pub(super) fn with(self, header: &str) -> Self {
        match self {
            Self::Answer { status, headers, body } => Self::Answer {
                status,
                headers: format!("{headers}{header}\r\n"),
                body,
            },
            other => other,
        }
    }
}

/// Answers as an ingestor that accepts every line that begins with a brace.
pub(super) fn judge(body: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(body);
    let bad: Vec<_> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('{'))
        .collect();
    let invalid: Vec<_> = bad
        .iter()
        .take(100)
        .map(|(index, line)| json!({"line": index + 1, "reason": "not JSON", "reading": &line[..2]}))
        .collect();
    let answer = json!({
        "id": "01936d3a-0000-7000-8000-000000000000",
        "accepted": text.lines().count() - bad.len(),
        "rejected": bad.len(),
        "invalid": invalid,
    });
    Reply::answer(if bad.is_empty() { 200 } else { 400 }, &answer.to_string())
}

/// A received request.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

type Script = dyn Fn(usize, &[u8]) -> Reply + Send + Sync;

/// A server on a free port, stopped when dropped.
pub(super) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    count: watch::Receiver<usize>,
    _connections: JoinSet<()>,
}

impl Server {
    /// Starts a server that answers with `script`, given the number of a request, from 0, and its body.
    pub(super) async fn start(script: impl Fn(usize, &[u8]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (arrived, count) = watch::channel(0);
        let shared = (Arc::new(script) as Arc<Script>, Arc::clone(&requests), arrived);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, requests, arrived) = shared.clone();
                connections.spawn(async move {
                    let mut stream = BufStream::new(stream);
                    while let Some(request) = read(&mut stream).await {
                        let reply = {
                            let mut requests = requests.lock().unwrap();
                            requests.push(request.clone());
                            arrived.send_replace(requests.len());
                            script(requests.len() - 1, &request.body)
                        };
                        if !write(&mut stream, reply).await {
                            break;
                        }
                    }
                });
            }
        });
        Self {
            port,
            requests,
            count,
            _connections: connections,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Starts a server that understands no request, sends `says` and closes the connection.
    pub(super) async fn puzzled(says: &'static [u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut first = [0; 512];
                let _gone = stream.read(&mut first).await;
                let _gone = stream.write_all(says).await;
            }
        });
        Self {
            port,
            requests: Arc::default(),
            count: watch::channel(0).1,
            _connections: connections,
        }
    }

    /// Waits until this many requests have been read.
    pub(super) async fn arrived(&self, wanted: usize) {
        let mut count = self.count.clone();
        count.wait_for(|count| *count >= wanted).await.unwrap();
    }
}

async fn read(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let mut request = Request { head, body: Vec::new() };
    let length: usize = request.header("content-length")?.parse().unwrap();
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

/// Writes the reply. Returns whether the connection stays open.
async fn write(stream: &mut BufStream<TcpStream>, reply: Reply) -> bool {
    let answer = match reply {
        Reply::Answer { status, headers, body } => {
            let length = body.len();
            format!("HTTP/1.1 {status} As Told\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        }
        Reply::CutWithinAnswer => "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\":".to_owned(),
        Reply::Cut => return false,
        Reply::Never => std::future::pending().await,
    };
    let cut = answer.ends_with("{\"id\":");
    stream.write_all(answer.as_bytes()).await.is_ok() && stream.flush().await.is_ok() && !cut
}
