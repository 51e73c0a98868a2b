//! Requires a Host header and bounds the time for a request's head.

use crate::{Correlation, Problem};
use axum::extract::Request;
use axum::http::{Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::rt::Timer;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Middleware: answers 400 to a request with several Host headers, and to one of HTTP/1.1 without
/// (RFC 9112, section 3.2).
pub(crate) async fn require_host(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let detail = match hosts {
        1 => return next.run(request).await,
        0 if request.version() < Version::HTTP_11 => return next.run(request).await,
        0 => "The request has no Host header; name the server in one.",
        _ => "The request has several Host headers; send one.",
    };
    let mut response = Problem::bad_request(detail).into_response();
    Correlation::of(request.headers()).tell(response.headers_mut());
    response
}

/// The timer of a server's connections. hyper uses it only to wait for the head of a request. The wait
/// also ends when the server stops, so that half a head does not delay the end. hyper reads an arrived
/// head before it asks the timer.
#[derive(Clone, Debug)]
pub(crate) struct HeadTimer(pub(crate) CancellationToken);

struct Wait(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let stop = self.0.clone();
        Box::pin(Wait(Box::pin(async move {
            // The wait is over in both cases.
            let _ = stop
                .run_until_cancelled(tokio::time::sleep_until(deadline.into()))
                .await;
        })))
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl hyper::rt::Sleep for Wait {}
