//! HTTP of every service: serving with deadlines, correlation of requests, parameters, tags and parts of answers,
//! texts within markup, and errors as problem documents (RFC 9457).
//!
//! ```no_run
//! # async fn run(stop: tokio_util::sync::CancellationToken) -> std::io::Result<()> {
//! use axum::{Router, routing::get};
//!
//! let routes = Router::new().route("/", get(async || web::Problem::bad_request("Write a name.")));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! web::serve(listener, web::finish(routes), web::Front::default(), stop).await;
//! # Ok(())
//! # }
//! ```
//!
//! `axum::serve` is not used: it installs no timer, so it would never disconnect a client that sends its headers
//! a byte a minute.
//!
//! Deliberately not here: any domain, and clients of HTTP.

mod accept;
mod correlation;
mod download;
mod front;
mod head;
mod identity;
mod markup;
mod parameters;
mod part;
mod problem;
mod serve;
mod tag;
mod tls;

pub use accept::{HTTP_1, HTTP_2, Stream, accept, refuse};
pub use correlation::{Correlation, correlate};
pub use download::{Download, strong};
pub use front::{Front, Limits};
pub use identity::permit_identity;
pub use markup::escaped;
pub use parameters::{Parameters, wrong};
pub use part::Part;
pub use problem::Problem;
pub use serve::serve;
pub use tag::{is_known, tag, weak_tag};
pub use tls::{Certificate, CertificateError};

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

/// Adds correlation ids, `/health`, and problem documents for unknown paths and methods.
pub fn finish(routes: Router) -> Router {
    routes
        .route("/health", axum::routing::get(|| async { "ok\n" }))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this path.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This path exists, but not for this method.",
            )
        })
        .layer(axum::middleware::from_fn(correlate))
}

/// Lets caches keep an answer, but not use it without asking again, unless the answer says otherwise: for answers that
/// may differ the next time. A [`Problem`] says otherwise, and is never kept.
pub async fn must_be_asked_again(mut response: Response) -> Response {
    let ask = HeaderValue::from_static("no-cache");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(ask);
    response
}
