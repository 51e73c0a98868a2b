//! An endpoint that takes webhooks, as a user's server would.

use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that was answered with 204.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) id: String,
    /// Method, path and query: `POST /hook`.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
    /// Null where the bytes are no JSON.
    pub(crate) body: Value,
}

impl Taken {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// An endpoint on a free port.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    taken: Arc<Mutex<Vec<Taken>>>,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Starts one that takes a request where `takes` says so of its number, and else answers 503.
    pub(crate) async fn start(takes: fn(usize) -> bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let taken: Arc<Mutex<Vec<Taken>>> = Arc::default();
        let (all, count) = (taken.clone(), Arc::new(Mutex::new(0)));
        let task = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (all, count) = (all.clone(), count.clone());
                serving.spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(request) = read(&mut stream).await {
                        let number = {
                            let mut count = count.lock().unwrap();
                            *count += 1;
                            *count
                        };
                        let takes = takes(number);
                        if takes {
                            all.lock().unwrap().push(request);
                        }
                        let status = if takes {
                            "204 No Content"
                        } else {
                            "503 Service Unavailable"
                        };
                        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, taken, task }
    }

    /// How many requests were taken.
    pub(crate) fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    /// What was taken, each id once.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        let mut taken = self.taken.lock().unwrap().clone();
        taken.sort_by(|one, other| one.id.cmp(&other.id));
        taken.dedup_by(|one, other| one.id == other.id);
        taken
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a request; none at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Taken> {
    let first = line(stream).await?;
    let mut headers = Vec::new();
    loop {
        let line = line(stream).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut taken = Taken {
        id: String::new(),
        line: first.trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        bytes: Vec::new(),
        body: Value::Null,
    };
    taken.id = taken.header("webhook-id")?.to_owned();
    let length = taken
        .header("content-length")
        .map_or(Some(0), |length| length.parse().ok())?;
    taken.bytes = vec![0; length];
    stream.read_exact(&mut taken.bytes).await.ok()?;
    taken.body = serde_json::from_slice(&taken.bytes).unwrap_or_default();
    Some(taken)
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
