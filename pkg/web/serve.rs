//! Serves HTTP/1.1 until told to stop, then finishes requests under way.

use crate::Certificate;
use crate::accept::{HTTP_1, accept};
use crate::head::{HeadTimer, require_host};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::TcpListener;
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
    let service = TowerToHyperService::new(routes.layer(axum::middleware::from_fn(require_host)));
    let graceful = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    accept(listener, &front, HTTP_1, &stop, &tasks, || {
        let (http, service, watcher) = (http.clone(), service.clone(), graceful.watcher());
        async move |stream| {
            let connection = http.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "connection ended early");
            }
        }
    })
    .await;
    graceful.shutdown().await;
    tasks.close();
    tasks.wait().await;
}
