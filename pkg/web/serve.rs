//! Serves HTTP/1.1 until told to stop, then finishes requests under way.

use crate::accept::{HTTP_1, accept};
use crate::front::Front;
use crate::head::{HeadTimer, require_host};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
