//! Accepts connections and serves them until told to stop, then lets those under way finish.

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

/// What a client may take of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the listener's queue.
    pub connections: usize,
    /// Time for a TLS handshake, for a whole request head, and for the next one on a kept
    /// connection.
    pub head: Duration,
    /// Time for a client to take more of its answer, once it takes none.
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

/// How a server meets its clients.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// What each may take.
    pub limits: Limits,
    /// What it shows them; without one it speaks plain HTTP.
    pub certificate: Option<Certificate>,
}

/// What of the server each connection needs.
#[derive(Clone)]
struct Host {
    http: http1::Builder,
    service: TowerToHyperService<Router>,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
}

/// Serves `routes` on `listener` until `stop`; then takes no new connection, lets each request
/// whose head has arrived finish, closes all other connections, and returns when the last one is
/// closed. The caller sets the deadline by dropping the future.
///
/// Requests without the Host header that HTTP asks for, or with several, are answered 400.
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
            host.meet(stream, watcher).await;
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
    async fn meet(&self, stream: TcpStream, watcher: Watcher) {
        let Some(tls) = &self.tls else {
            return self.converse(self.timed(stream), watcher).await;
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
        // In this task, so that nobody waits for a stranger's handshake.
        let shaken = tokio::select! {
            () = self.stop.cancelled() => return,
            shaken = tokio::time::timeout(self.limits.head, shaken) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => self.converse(stream, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
            Err(_) => tracing::debug!("no TLS handshake in time"),
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S, watcher: Watcher) {
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

/// Tells somebody who came without TLS what to do.
async fn explain_tls(mut stream: Timed) -> std::io::Result<()> {
    let body = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"This port speaks TLS; write https:// in the place of http://."}"#;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // A connection closed over what was not read would take the answer along.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// The next connection and its place among the permitted ones; `None` when accepting failed.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Small answers should not wait for more to send; a socket without the option works too.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            // Out of file descriptors, most likely: it passes when connections end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
