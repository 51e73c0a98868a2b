//! Follows one request through every service: `X-Correlation-Id` and the W3C `traceparent`.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// The header of older clients.
const CORRELATION_ID_OLD: HeaderName = HeaderName::from_static("correlationid");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The ids of a request across services; an extension of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// 1 to 128 visible ASCII characters: the client's, or a UUID made here.
    pub id: Arc<str>,
    /// The client's `traceparent`, if it sent a well-formed one.
    pub traceparent: Option<Arc<str>>,
}

impl Correlation {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = [CORRELATION_ID, CORRELATION_ID_OLD]
            .iter()
            .filter_map(|name| headers.get(name)?.to_str().ok())
            .find(|id| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()));
        let id = given.map_or_else(|| uuid::Uuid::now_v7().to_string().into(), Into::into);
        let traceparent = headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .filter(|value| is_traceparent(value))
            .map(Into::into);
        Self { id, traceparent }
    }

    /// Adds it to the headers of an answer.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        // Both are visible ASCII, so neither conversion fails.
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            headers.insert(CORRELATION_ID, value);
        }
        if let Some(Ok(value)) = self.traceparent.as_deref().map(HeaderValue::from_str) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// `version-traceid-parentid-flags` in lower-case hex: `00-{32}-{16}-{2}`.
fn is_traceparent(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    parts.iter().map(|part| part.len()).eq([2, 32, 16, 2])
        && parts
            .iter()
            .all(|part| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        && parts[0] != "ff"
}

/// Middleware: gives every request a [`Correlation`] and sends it back with the answer. Logs which request was answered
/// with 500.
pub async fn correlate(mut request: Request, next: Next) -> Response {
    let correlation = Correlation::of(request.headers());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    request.extensions_mut().insert(correlation.clone());
    let mut response = next.run(request).await;
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        // The error was logged where it arose, which knows no request.
        tracing::error!(correlation_id = %correlation.id, %method, %uri, "answered 500; an error above says why");
    }
    correlation.tell(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, value: &str) -> Correlation {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        Correlation::of(&headers)
    }

    #[test]
    fn keeps_what_the_client_sent() {
        assert_eq!(&*of("x-correlation-id", "trip-7").id, "trip-7");
        assert_eq!(&*of("correlationid", "trip-8").id, "trip-8");
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(of("traceparent", parent).traceparent.as_deref(), Some(parent));
    }

    #[test]
    fn makes_an_id_where_the_client_sent_none_or_an_unusable_one() {
        for id in ["", "two words", &"x".repeat(129)] {
            assert_eq!(of("x-correlation-id", id).id.len(), 36, "{id:?}");
        }
        assert_eq!(of("traceparent", "00-short-00-01").traceparent, None);
    }
}
