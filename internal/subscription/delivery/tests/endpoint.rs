//! An endpoint that answers as a test says.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A request, as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn id(&self) -> String {
        self.header("webhook-id").to_owned()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn seq(&self) -> i64 {
        self.json()["data"]["seq"].as_i64().unwrap()
    }
}

/// What an endpoint answers.
#[derive(Clone, Copy)]
pub(super) enum Say {
    Status(u16),
    /// A status with `Retry-After`.
    After(u16, &'static str),
    /// Nothing until [`Endpoint::open`].
    Hang,
    /// Nothing until [`Endpoint::open`], then a status.
    Late(u16),
}

pub(super) struct Endpoint {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endpoint {
    /// Answers each request by its count, from 0, and what it is.
    pub(super) async fn new(say: impl Fn(usize, &Seen) -> Say + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (at_once, most_at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(Semaphore::new(0));
        let shared = (seen.clone(), at_once.clone(), most_at_once.clone(), gate.clone());
        let app = Router::new().fallback(move |request: Request| {
            let (shared, say) = (shared.clone(), say.clone());
            async move {
                let (seen, at_once, most_at_once, gate) = shared;
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let request = Seen {
                    method: parts.method.to_string(),
                    uri: parts.uri.to_string(),
                    headers: parts.headers,
                    body,
                };
                let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                most_at_once.fetch_max(now, Ordering::SeqCst);
                let said = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    say(seen.len() - 1, &request)
                };
                let answer = answer(said, &gate).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                answer
            }
        });
        let task = tokio::spawn(web::serve(
            listener,
            app,
            web::Front::default(),
            CancellationToken::new(),
        ));
        Self {
            url,
            seen,
            at_once,
            most_at_once,
            gate,
            task,
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn seqs(&self) -> Vec<i64> {
        self.seen().iter().map(Seen::seq).collect()
    }

    pub(super) fn at_once(&self) -> usize {
        self.at_once.load(Ordering::SeqCst)
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Lets what hangs be answered with 200.
    pub(super) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

async fn answer(say: Say, gate: &Semaphore) -> Response {
    let status = |code| StatusCode::from_u16(code).unwrap();
    match say {
        Say::Status(code) => (status(code), "a word").into_response(),
        Say::After(code, after) => (status(code), [("retry-after", after)]).into_response(),
        Say::Hang => {
            let _permit = gate.acquire().await.unwrap();
            StatusCode::OK.into_response()
        }
        Say::Late(code) => {
            let _permit = gate.acquire().await.unwrap();
            status(code).into_response()
        }
    }
}
