//! One connection: its written bytes, its end, and the answers.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Deadline for the server to close a connection; all its own limits are shorter.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a lingering client waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(100);

/// The client's behavior once it has written everything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// Reads until the server closes; only with requests that make the server close after its answers.
    Read,
    /// Waits a moment for an answer, then half-closes, since a server may wait for more.
    Linger,
    /// Closes its sending side, and reads until the server closes.
    HalfClose,
    /// Closes the connection at once.
    Drop,
}

/// The plan of one connection.
pub(crate) struct Exchange {
    pub(crate) kind: &'static str,
    /// Number of requests.
    pub(crate) requests: usize,
    /// Pieces written one after the other.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Pause between two pieces.
    pub(crate) pause: Duration,
    pub(crate) end: End,
    /// The readings of each request in order, up to the first wrongly framed one.
    pub(crate) readings: Vec<Vec<u64>>,
}

pub(crate) struct Outcome {
    pub(crate) answers: Vec<Answer>,
    pub(crate) hung: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
}

impl Exchange {
    pub(crate) fn new(kind: &'static str, bytes: impl Into<Vec<u8>>, end: End) -> Self {
        Self {
            kind,
            requests: 1,
            pieces: vec![bytes.into()],
            pause: Duration::ZERO,
            end,
            readings: Vec::new(),
        }
    }

    pub(crate) async fn run(&self, address: SocketAddr) -> Outcome {
        let mut read = Vec::new();
        let hung = timeout(DEADLINE, self.talk(address, &mut read)).await.is_err();
        Outcome {
            answers: answers(&read),
            hung,
        }
    }

    async fn talk(&self, address: SocketAddr, read: &mut Vec<u8>) {
        let mut stream = TcpStream::connect(address)
            .await
            .expect("the program takes connections");
        let (mut from, mut to) = stream.split();
        let answered = Notify::new();
        let write = async {
            for (at, piece) in self.pieces.iter().enumerate() {
                if at > 0 && !self.pause.is_zero() {
                    sleep(self.pause).await;
                }
                // A server may close early.
                if to.write_all(piece).await.is_err() {
                    return;
                }
            }
            if self.end == End::Linger {
                let _ = timeout(ANSWER_TIMEOUT, answered.notified()).await;
            }
            if matches!(self.end, End::HalfClose | End::Linger) {
                let _ = to.shutdown().await;
            }
        };
        // Reads while writing, or both sides would wait for each other once all buffers are full. A reset
        // connection has ended, too.
        let read = async {
            while from.read_buf(read).await.is_ok_and(|size| size > 0) {
                answered.notify_one();
            }
            answered.notify_one();
        };
        match self.end {
            End::Drop => write.await,
            _ => drop(tokio::join!(write, read)),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.pieces.concat();
        let shown = all[..all.len().min(700)].escape_ascii();
        write!(f, "{} ({:?}, {} bytes): {shown}", self.kind, self.end, all.len())
    }
}

/// Parses the answers, without a truncated last one.
fn answers(mut rest: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
        rest = &rest[end + 4..];
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let status = line
            .strip_prefix("http/1.")
            .and_then(|rest| rest.get(2..5)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("this is no answer: {head:?}"));
        let header = |name: &str| {
            let value = head
                .split("\r\n")
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.unwrap_or_default().to_owned()
        };
        let length: usize = header("content-length").parse().unwrap_or(0);
        // The answer to HEAD has a length but no body.
        let length = if rest.is_empty() || rest.starts_with(b"HTTP/1.") {
            0
        } else {
            length
        };
        let Some((body, after)) = rest.split_at_checked(length) else {
            break;
        };
        rest = after;
        // 100 Continue is not the final answer.
        if status >= 200 {
            answers.push(Answer {
                status,
                kind: header("content-type"),
                body: body.to_vec(),
            });
        }
    }
    answers
}

#[test]
fn answers_one_after_the_other() {
    let read = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Type: a/b\r\n\r\nok\
        HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nHTTP/1.0 400 Bad Request\r\ncontent-length: 9\r\n\r\nhalf";
    let told: Vec<_> = answers(read)
        .into_iter()
        .map(|answer| (answer.status, answer.kind, answer.body))
        .collect();
    assert_eq!(
        told,
        [
            (200, "a/b".to_owned(), b"ok".to_vec()),
            (404, String::new(), Vec::new())
        ]
    );
}
