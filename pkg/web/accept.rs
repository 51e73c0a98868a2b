//! Accepts connections, and shakes hands where they are protected by TLS.

use crate::Certificate;
use crate::front::{Front, Limits};
use repeat::LogLimit;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The protocol HTTP/1.1, as TLS names it.
pub const HTTP_1: &[u8] = b"http/1.1";

/// The protocol HTTP/2, as TLS names it.
pub const HTTP_2: &[u8] = b"h2";

/// One line a minute: out of files, each attempt fails.
static FAILURES: LogLimit = LogLimit::every(Duration::from_secs(60));

type Timed = Pin<Box<TimeoutStream<TcpStream>>>;

/// A client's connection. It counts as one until it is dropped.
pub struct Stream {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

enum Bytes {
    Plain(Timed),
    Tls(Box<TlsStream<Timed>>),
}

/// Accepts connections on `listener` until `stop`, as many at once as `front` says. Each one is passed, in a task of
/// `tasks`, to what `begin` made when it came. With TLS, `protocol` is what clients are offered.
pub async fn accept<H, F>(
    listener: TcpListener,
    front: &Front,
    protocol: &[u8],
    stop: &CancellationToken,
    tasks: &TaskTracker,
    begin: impl Fn() -> H,
) where
    H: FnOnce(Stream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let host = Host {
        limits: front.limits,
        tls: front
            .certificate
            .as_ref()
            .map(|certificate| Certificate::acceptor(certificate, protocol)),
        stop: stop.clone(),
    };
    let permits = Arc::new(Semaphore::new(front.limits.connections));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = next(&listener, &permits) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let (host, handle) = (host.clone(), begin());
        tasks.spawn(async move {
            if let Some(bytes) = host.handshake(stream).await {
                handle(Stream { bytes, _permit: permit }).await;
            }
        });
    }
}

/// Accepts the next connection, with its permit; `None` when accepting failed.
async fn next(listener: &TcpListener, permits: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Sends small answers at once; a socket without the option works too.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            if FAILURES.allows(&error.to_string()) {
                tracing::warn!(%error, "could not accept a connection");
            }
            // Most likely out of file descriptors, until connections end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// The server's parts that each connection needs.
#[derive(Clone)]
struct Host {
    limits: Limits,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
}

impl Host {
    /// Returns none where the client does not shake hands in time, or before the end.
    async fn handshake(&self, stream: TcpStream) -> Option<Bytes> {
        let Some(tls) = &self.tls else {
            return Some(Bytes::Plain(self.timed(stream)));
        };
        let shaken = async {
            // A TLS record begins with 22, the name of a method with a letter.
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
                explain_tls(self.timed(stream)).await?;
                return Err(io::Error::other("plain HTTP"));
            }
            tls.accept(self.timed(stream)).await
        };
        // In this task, so that a slow handshake delays no other connection.
        let shaken = tokio::select! {
            () = self.stop.cancelled() => return None,
            shaken = tokio::time::timeout(self.limits.head, shaken) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => return Some(Bytes::Tls(Box::new(stream))),
            Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
            Err(_) => tracing::debug!("no TLS handshake in time"),
        }
        None
    }

    fn timed(&self, stream: TcpStream) -> Timed {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write));
        Box::pin(stream)
    }
}

/// Answers 400 to a client that speaks plain HTTP, and says to use TLS.
async fn explain_tls(mut stream: Timed) -> io::Result<()> {
    let body = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"This port speaks TLS; write https:// in the place of http://."}"#;
    refuse(&mut stream, "application/problem+json", body).await
}

/// Answers 400 over HTTP/1.1, and closes the connection.
///
/// # Errors
/// Those of the connection.
pub async fn refuse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    content_type: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {content_type}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes would reset the connection, and the client could lose the answer.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => stream.as_mut().poll_read(context, into),
            Bytes::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => stream.as_mut().poll_write(context, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => stream.as_mut().poll_write_vectored(context, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(stream) => stream.is_write_vectored(),
            Bytes::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => stream.as_mut().poll_flush(context),
            Bytes::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => stream.as_mut().poll_shutdown(context),
            Bytes::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
