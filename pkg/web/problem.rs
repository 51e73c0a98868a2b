//! Errors as a client sees them: `application/problem+json`, RFC 9457.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::time::Duration;

/// An error for the client: what happened in the client's terms and what to do next, never internal
/// text. The service logs its own text.
///
/// ```json
/// {"type":"about:blank","title":"Not Found","status":404,"detail":"…"}
/// ```
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with this status; `detail` is a sentence for the user.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let mut members = Map::new();
        members.insert("type".into(), "about:blank".into());
        members.insert("title".into(), status.canonical_reason().unwrap_or("Error").into());
        members.insert("status".into(), status.as_u16().into());
        members.insert("detail".into(), detail.into().into());
        Self {
            status,
            members,
            headers: Vec::new(),
        }
    }

    /// 503: a dependency of this service does not answer. Logs `error` with its sources; the client learns
    /// only that it may try again.
    pub fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        tracing::warn!(error = %Chain(&*error), "request failed: a dependency is unavailable");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "A service that this one depends on does not answer. Try again.",
        )
        .retry_after(Duration::from_secs(1))
    }

    /// 503: this service does as much as it may at once; `detail` says what to do after `wait`. Logs nothing.
    pub fn busy(detail: impl Into<String>, wait: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(wait)
    }

    /// 500: a bug. Logs `error` with its sources, and does not show it to the client.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        tracing::error!(error = %Chain(&*error), "request failed: internal error");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server made a mistake. Its log says more, under this correlation id.",
        )
    }

    /// 400 with this explanation.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds `Retry-After`, in whole seconds and at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.members).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

/// An error and its sources on one line, outermost first.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
