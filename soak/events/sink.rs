//! An endpoint that takes webhooks, and fails at random.

use crate::chance::mix;
use crate::owned::Owned;
use anyhow::Context;
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long a hanging request is held, if its sender does not give up before.
const HANG: Duration = Duration::from_secs(5);

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_millis(200);

/// Largest body of a webhook.
const LARGEST: usize = 64 << 10;

/// Longest request head, in lines.
const LINES: usize = 64;

/// Mistakes kept.
const KEPT: usize = 20;

/// An event that was taken.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// The last part of the path: the subscription's name.
    pub(super) subscription: String,
    pub(super) body: String,
    /// How many times it came.
    times: u64,
}

/// Counts of an endpoint's requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Served {
    pub(crate) requests: u64,
    /// Answered 503.
    pub(crate) refused: u64,
    /// Not answered until the sender gave up.
    pub(crate) hung: u64,
    /// Closed without an answer.
    pub(crate) closed: u64,
    /// Answered late.
    pub(crate) slow: u64,
    /// Requests of an event that had been taken before.
    pub(crate) again: u64,
}

/// An endpoint on a free port.
pub(super) struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: Owned,
}

#[derive(Default)]
struct Shared {
    seed: u64,
    requests: AtomicU64,
    refused: AtomicU64,
    hung: AtomicU64,
    closed: AtomicU64,
    slow: AtomicU64,
    /// By id.
    taken: Mutex<HashMap<String, Taken>>,
    wrong: Mutex<Vec<String>>,
}

/// A request, as far as it matters.
struct Request {
    subscription: String,
    id: String,
    body: String,
}

/// What becomes of a request.
enum Fate {
    Refuse,
    Hang,
    /// Closed before the event is taken.
    Close,
    /// Closed after the event was taken.
    TakeAndClose,
    TakeSlowly,
    Take,
}

impl Sink {
    pub(super) async fn start(seed: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open an endpoint")?;
        let address = listener.local_addr().context("open an endpoint")?;
        let shared = Arc::new(Shared {
            seed,
            ..Shared::default()
        });
        let serves = shared.clone();
        let serving = Owned::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                // An error is of the connection, which its client has left.
                if let Ok((stream, _)) = listener.accept().await {
                    let shared = serves.clone();
                    connections.spawn(async move { serve(stream, &shared).await });
                }
            }
        });
        Ok(Self {
            address,
            shared,
            _serving: serving,
        })
    }

    /// The URL of a subscription.
    pub(super) fn url(&self, subscription: &str) -> String {
        format!("http://{}/{subscription}", self.address)
    }

    /// The number of events taken, each counted once.
    pub(super) fn count(&self) -> usize {
        lock(&self.shared.taken).len()
    }

    /// The events taken, by id.
    pub(super) fn taken(&self) -> HashMap<String, Taken> {
        lock(&self.shared.taken).clone()
    }

    pub(super) fn served(&self) -> Served {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Served {
            requests: count(&self.shared.requests),
            refused: count(&self.shared.refused),
            hung: count(&self.shared.hung),
            closed: count(&self.shared.closed),
            slow: count(&self.shared.slow),
            again: lock(&self.shared.taken).values().map(|taken| taken.times - 1).sum(),
        }
    }

    /// Requests that were no webhooks, and ids that came with another content.
    pub(super) fn wrong(&self) -> Vec<String> {
        lock(&self.shared.wrong).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a connection until it ends.
async fn serve(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let number = shared.requests.fetch_add(1, Ordering::Relaxed);
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        let status = match fate(shared.seed, number) {
            Fate::Refuse => {
                count(&shared.refused);
                "503 Service Unavailable"
            }
            Fate::Hang => {
                count(&shared.hung);
                let _ = timeout(HANG, stream.read_u8()).await;
                return;
            }
            Fate::Close => {
                count(&shared.closed);
                return;
            }
            Fate::TakeAndClose => {
                count(&shared.closed);
                shared.take(request);
                return;
            }
            Fate::TakeSlowly => {
                count(&shared.slow);
                sleep(SLOW).await;
                shared.take(request);
                "204 No Content"
            }
            Fate::Take => {
                shared.take(request);
                "204 No Content"
            }
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn fate(seed: u64, number: u64) -> Fate {
    match mix(&[seed, 77, number]) % 100 {
        0..5 => Fate::Refuse,
        5 => Fate::Hang,
        6 => Fate::Close,
        7 => Fate::TakeAndClose,
        8..10 => Fate::TakeSlowly,
        _ => Fate::Take,
    }
}

/// Reads a request; none at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let (mut subscription, mut id, mut length) = (String::new(), String::new(), 0);
    for number in 0..LINES {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if number == 0 {
            let path = line.split(' ').nth(1).unwrap_or_default();
            path.trim_start_matches('/').clone_into(&mut subscription);
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("webhook-id") => value.clone_into(&mut id),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            _ if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; Some(length).filter(|length| *length <= LARGEST)?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        subscription,
        id,
        body: String::from_utf8(body).ok()?,
    })
}

impl Shared {
    fn take(&self, request: Request) {
        let Request { subscription, id, body } = request;
        if id.is_empty() || serde_json::from_str::<Value>(&body).is_err() {
            return self.complain(format!("{subscription} got what is no webhook: id {id:?}, {body}"));
        }
        let mut all = lock(&self.taken);
        let Some(taken) = all.get_mut(&id) else {
            let times = 1;
            all.insert(
                id,
                Taken {
                    subscription,
                    body,
                    times,
                },
            );
            return;
        };
        taken.times += 1;
        if (&taken.subscription, &taken.body) != (&subscription, &body) {
            let text = format!(
                "the id {id} came to {} with {}, then to {subscription} with {body}",
                taken.subscription, taken.body
            );
            drop(all);
            self.complain(text);
        }
    }

    fn complain(&self, text: String) {
        let mut wrong = lock(&self.wrong);
        if wrong.len() < KEPT {
            wrong.push(text);
        }
    }
}
