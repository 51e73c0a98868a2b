//! An endpoint that answers 204 at once, and notes when each webhook came.

use anyhow::Context;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// The longest that a number of webhooks is waited for.
const DEADLINE: Duration = Duration::from_secs(900);

/// How long a hanging request is held.
const HANG: Duration = Duration::from_secs(60);

/// Bytes of a request at the most.
const LARGEST: usize = 64 << 10;

/// The path whose requests are never answered.
const HANGS: &str = "/hangs";

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";

/// A webhook that came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) at: Instant,
    pub(super) path: String,
    /// The number after the marker in its body.
    pub(super) number: u64,
}

/// An endpoint on a free port.
pub(super) struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// What stands before the number in a body.
    marker: Vec<u8>,
    count: AtomicUsize,
    came: Mutex<Vec<Came>>,
    /// The head and body of the last request.
    last: Mutex<Vec<u8>>,
}

impl Sink {
    /// Starts one. It notes the number that follows the marker in each body.
    pub(super) async fn start(marker: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open an endpoint")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            marker: marker.into(),
            ..Shared::default()
        });
        let serves = shared.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                if let Ok((stream, _)) = listener.accept().await {
                    let shared = serves.clone();
                    connections.spawn(async move { serve(stream, &shared).await });
                }
            }
        });
        Ok(Self {
            address,
            shared,
            serving,
        })
    }

    /// The URL of a path such as `/1`.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The URL whose requests are never answered.
    pub(super) fn hanging(&self) -> String {
        self.url(HANGS)
    }

    pub(super) fn count(&self) -> usize {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// Forgets what came so far.
    pub(super) fn clear(&self) {
        self.came().clear();
        self.shared.count.store(0, Ordering::Relaxed);
    }

    /// Waits until so many webhooks came, and takes them.
    pub(super) async fn take(&self, count: usize) -> anyhow::Result<Vec<Came>> {
        let start = Instant::now();
        while self.count() < count {
            anyhow::ensure!(
                start.elapsed() < DEADLINE,
                "only {} of {count} webhooks came",
                self.count()
            );
            sleep(Duration::from_millis(5)).await;
        }
        Ok(std::mem::take(&mut *self.came()))
    }

    /// The head and the body of the last request.
    pub(super) fn last(&self) -> Vec<u8> {
        self.shared.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn came(&self) -> std::sync::MutexGuard<'_, Vec<Came>> {
        self.shared.came.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut read = Vec::new();
    loop {
        let Some(length) = length(&read) else {
            match stream.read_buf(&mut read).await {
                Ok(1..) if read.len() <= LARGEST => continue,
                _ => return,
            }
        };
        let request: Vec<u8> = read.drain(..length).collect();
        let path = String::from_utf8_lossy(&request);
        let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
        if path == HANGS {
            let _ = timeout(HANG, stream.read_u8()).await;
            return;
        }
        shared.note(path, request);
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

/// The length of the first request; none while it is not complete.
fn length(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let body: usize = body.map_or(Some(0), |body| body.trim().parse().ok())?;
    (read.len() >= head + body).then_some(head + body)
}

impl Shared {
    fn note(&self, path: String, request: Vec<u8>) {
        let at = Instant::now();
        let after = |at: usize| {
            // PostgreSQL writes a blank before a value.
            let digits = request[at + self.marker.len()..]
                .iter()
                .skip_while(|byte| **byte == b' ')
                .take_while(|byte| byte.is_ascii_digit());
            digits.fold(0_u64, |number, digit| number.wrapping_mul(10) + u64::from(digit - b'0'))
        };
        let marked = request
            .windows(self.marker.len().max(1))
            .position(|part| part == self.marker);
        let number = marked.map_or(0, after);
        let came = Came { at, path, number };
        self.came.lock().unwrap_or_else(PoisonError::into_inner).push(came);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = request;
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}
