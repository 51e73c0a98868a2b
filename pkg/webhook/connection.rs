//! One HTTP/1.1 connection to addresses that were judged.

use crate::outcome::Reason;
use crate::schedule::DAY;
use crate::target::Origin;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

/// Largest head of an answer, and most that is buffered of one.
const LARGEST_HEAD: usize = 32 * 1024;
/// Most bytes of an answer's body that are read.
const LARGEST_BODY: usize = 64 * 1024;
/// Most bytes of it that are kept.
const KEPT: usize = 1024;
/// Most addresses of a host that are tried.
const TRIED: usize = 4;

/// TCP, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection. No task drives it: an exchange drives it for its own time, and dropping it closes it. So a
/// try that is over leaves nothing behind.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    /// When its address was judged.
    judged: Instant,
}

struct Driver {
    connection: http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>,
    ended: bool,
}

/// An endpoint's answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) after: Option<Duration>,
    pub(crate) body: String,
    /// Whether the connection can serve another request.
    pub(crate) reusable: bool,
}

impl Connection {
    /// Connects to the first of these addresses that answers, and to no other. Each gets an equal share of
    /// the time that is left. `judged` is when they were judged.
    pub(crate) async fn open(
        addresses: &[SocketAddr],
        origin: &Origin,
        tls: &Arc<ClientConfig>,
        judged: Instant,
        deadline: Instant,
    ) -> Result<Self, Reason> {
        let tcp = connect(addresses, deadline).await?;
        // Small requests go out at once.
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = match &origin.tls {
            None => Box::new(tcp),
            Some(name) => {
                let handshake = TlsConnector::from(tls.clone()).connect(name.clone(), tcp);
                let stream = timeout_at(deadline, handshake)
                    .await
                    .map_err(|_| Reason::SlowConnection)?;
                Box::new(stream.map_err(|error| untrusted(&error))?)
            }
        };
        let (sender, connection) = http1::Builder::new()
            .max_header_size(LARGEST_HEAD)
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Reason::Lost)?;
        let driver = Driver {
            connection,
            ended: false,
        };
        Ok(Self { sender, driver, judged })
    }

    /// When the address was judged.
    pub(crate) fn judged(&self) -> Instant {
        self.judged
    }

    /// Whether it can serve a request. Notices what has arrived since the last exchange, such as its end.
    pub(crate) async fn is_ready(&mut self) -> bool {
        self.driver.once().await;
        !self.driver.ended && self.sender.is_ready()
    }

    /// Sends a request and reads the answer, as far as it is read at all. The status decides: an answer that
    /// goes on past the deadline is cut there, and still counts.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Answer, Reason> {
        let sent = self.driver.drive(self.sender.send_request(request));
        let response = timeout_at(deadline, sent).await.map_err(|_| Reason::SlowAnswer)?;
        let response = response.map_err(|error| unanswered(&error))?;
        let status = response.status().as_u16();
        let after = response.headers().get(RETRY_AFTER);
        let after = after.and_then(|value| repeat::retry_after(value.as_bytes(), SystemTime::now()));
        let after = after.map(|wait| wait.min(DAY));
        let mut kept = Vec::new();
        let read = self.driver.drive(read(response, &mut kept));
        let whole = timeout_at(deadline, read).await.unwrap_or(false);
        Ok(Answer {
            status,
            after,
            body: text(&kept),
            reusable: whole && self.is_ready().await,
        })
    }
}

impl Driver {
    /// Drives the connection until a future that waits for it is done.
    async fn drive<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            // Its error reaches the one who waits, too.
            if !self.ended && Pin::new(&mut self.connection).poll(cx).is_ready() {
                self.ended = true;
            }
            wanted.as_mut().poll(cx)
        })
        .await
    }

    async fn once(&mut self) {
        poll_fn(|cx| {
            if !self.ended && Pin::new(&mut self.connection).poll(cx).is_ready() {
                self.ended = true;
            }
            Poll::Ready(())
        })
        .await;
    }
}

async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Reason> {
    let mut last = Reason::Unreachable;
    let tried = addresses.len().min(TRIED);
    for (address, left) in addresses.iter().take(TRIED).zip((1..=tried).rev()) {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(u32::MAX);
        last = match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Reason::Closed,
            Ok(Err(_)) => Reason::Unreachable,
            Err(_) => Reason::SlowConnection,
        };
    }
    Err(last)
}

/// Reads a body up to its end or its limit. Returns whether that was its end.
async fn read(response: Response<Incoming>, kept: &mut Vec<u8>) -> bool {
    let mut body = response.into_body();
    let mut length = 0;
    while length < LARGEST_BODY {
        match body.frame().await {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { continue };
                length += data.len();
                kept.extend(data.iter().take(KEPT.saturating_sub(kept.len())));
            }
        }
    }
    false
}

/// The kept bytes as text, cut before a character that is not whole.
fn text(kept: &[u8]) -> String {
    let whole = match std::str::from_utf8(kept) {
        Err(error) if kept.len() == KEPT && error.error_len().is_none() => &kept[..error.valid_up_to()],
        _ => kept,
    };
    String::from_utf8_lossy(whole).replace('\0', "\u{fffd}")
}

fn untrusted(error: &io::Error) -> Reason {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    Reason::Tls(match inner {
        Some(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another host"
            }
            CertificateError::UnknownIssuer => "the certificate's authority is not trusted",
            CertificateError::Revoked => "the certificate is revoked",
            _ => "the certificate is not valid",
        },
        Some(rustls::Error::InvalidMessage(_)) => "the endpoint does not speak TLS at this port",
        Some(rustls::Error::PeerIncompatible(_)) => "the endpoint offers nothing newer than TLS 1.1, or no safe cipher",
        Some(rustls::Error::AlertReceived(_)) => "the endpoint ended the handshake",
        Some(_) => "the handshake failed",
        None => "the endpoint closed the connection during the handshake",
    })
}

fn unanswered(error: &hyper::Error) -> Reason {
    if error.is_parse_too_large() {
        Reason::LargeHead
    } else if error.is_parse() {
        Reason::NotHttp
    } else {
        Reason::Lost
    }
}
