//! Accepts connections and serves them until told to stop, then finishes requests under way.

use crate::Certificate;
use crate::head::{HeadTimer, require_host};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Limits of a server's connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the listener's queue.
    pub connections: usize,
    /// Time for a TLS handshake, for a whole request head, and for the next one on a kept
    /// connection.
    pub head: Duration,
    /// Longest pause of a client while it reads its answer.
    pub write: Duration,
    /// Bytes read ahead on a connection, which also bounds a request head.
    pub buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(30),
            write: Duration::from_secs(15),
            buffer: 64 * 1024,
        }
    }
}

/// Settings of a server towards its clients.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// Limits of its connections.
    pub limits: Limits,
    /// Its certificate; `None` for plain HTTP.
    pub certificate: Option<Certificate>,
}

/// The server's parts that each connection needs.
#[derive(Clone)]
struct Host {
    http: http1::Builder,
    service: TowerToHyperService<Router>,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
}

/// Serves `routes` on `listener` until `stop`. Then it accepts no more connections, finishes each
/// request whose head has arrived, closes all other connections, and returns when the last one is
/// closed. The caller sets the deadline by dropping the future.
///
/// Answers 400 to requests without the Host header that HTTP requires, or with several.
pub async fn serve(listener: TcpListener, routes: Router, front: Front, stop: CancellationToken) {
    let limits = front.limits;
    let mut http = http1::Builder::new();
    http.timer(HeadTimer(stop.clone()))
        .header_read_timeout(limits.head)
        .max_buf_size(limits.buffer);
    let host = Host {
        http,
        service: TowerToHyperService::new(routes.layer(axum::middleware::from_fn(require_host))),
        limits,
        tls: front.certificate.as_ref().map(Certificate::acceptor),
        stop: stop.clone(),
    };
    let permits = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let (host, watcher) = (host.clone(), graceful.watcher());
        tasks.spawn(async move {
            host.handshake(stream, watcher).await;
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
    tasks.close();
    tasks.wait().await;
}

type Timed = Pin<Box<TimeoutStream<TcpStream>>>;

impl Host {
    /// Serves one connection, from its handshake to its end.
    async fn handshake(&self, stream: TcpStream, watcher: Watcher) {
        let Some(tls) = &self.tls else {
            return self.serve(self.timed(stream), watcher).await;
        };
        let shaken = async {
            // A TLS record begins with 22, the name of a method with a letter.
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
                explain_tls(self.timed(stream)).await?;
                return Err(std::io::Error::other("plain HTTP"));
            }
            tls.accept(self.timed(stream)).await
        };
        // In this task, so that a slow handshake delays no other connection.
        let shaken = tokio::select! {
            () = self.stop.cancelled() => return,
            shaken = tokio::time::timeout(self.limits.head, shaken) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(stream, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
            Err(_) => tracing::debug!("no TLS handshake in time"),
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S, watcher: Watcher) {
        let connection = self.http.serve_connection(TokioIo::new(stream), self.service.clone());
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended early");
        }
    }

    fn timed(&self, stream: TcpStream) -> Timed {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write));
        Box::pin(stream)
    }
}

/// Answers 400 to a client that speaks plain HTTP, and says to use TLS.
async fn explain_tls(mut stream: Timed) -> std::io::Result<()> {
    let body = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"This port speaks TLS; write https:// in the place of http://."}"#;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes would reset the connection, and the client could lose the answer.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Accepts the next connection, with its permit; `None` when accepting failed.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Sends small answers at once; a socket without the option works too.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            // Most likely out of file descriptors, until connections end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
