//! Weak ETags of answers: a client that has an answer already gets no byte of it again.

use crate::Problem;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// The longest answer that gets a tag, in bytes. A longer one is passed on as it is.
const LONGEST: usize = 32 << 20;

/// Middleware: gives each answer of 200 to GET or HEAD a weak ETag, a hash of its bytes, and answers 304 if
/// `If-None-Match` has it.
///
/// A stream passes as it is: its length is not known beforehand. So does an answer that has an ETag already. A layer
/// that compresses belongs outside of this one, so that every encoding of an answer has the same tag.
pub async fn tag(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = asked(request.headers());
    let response = next.run(request).await;
    let has_tag = response.headers().contains_key(header::ETAG);
    let length = response.body().size_hint().exact();
    let is_short = length.is_some_and(|length| usize::try_from(length).is_ok_and(|length| length <= LONGEST));
    if !reads || response.status() != StatusCode::OK || has_tag || !is_short {
        return response;
    }
    let (parts, body) = response.into_parts();
    match to_bytes(body, LONGEST).await {
        Ok(bytes) => tagged(parts, bytes, &known),
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// Whether the client has what this ETag names, by `If-None-Match`. It is then answered with 304.
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    names(&asked(headers), tag)
}

fn asked(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect()
}

/// Whether these values of `If-None-Match` name a tag. They are compared weakly (RFC 9110, section 13.1.2).
fn names(asked: &[HeaderValue], tag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let listed = asked.iter().filter_map(|value| value.to_str().ok());
    listed
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || opaque(one) == opaque(tag))
}

/// The weak tag of an answer: a hash of its bytes, before they are compressed.
#[must_use]
pub fn weak_tag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    // Half of it tells answers apart.
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digits}\"")
}

/// An answer with its tag, or 304.
fn tagged(mut parts: Parts, bytes: Bytes, known: &[HeaderValue]) -> Response {
    let tag = weak_tag(&bytes);
    let Ok(value) = HeaderValue::from_str(&tag) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    parts.headers.insert(header::ETAG, value);
    // The 304 has the same headers as the answer that it stands for.
    parts
        .headers
        .append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !names(known, &tag) {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&'static str]) -> Vec<HeaderValue> {
        texts.iter().map(|text| HeaderValue::from_static(text)).collect()
    }

    #[test]
    fn tags_are_compared_weakly() {
        for (asked, expected) in [
            (&["W/\"a\""][..], true),
            (&["\"a\""], true),
            (&["\"b\", W/\"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&["\"b\""], false),
            (&["a"], false),
            (&["w/\"a\""], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(names(&values(asked), "W/\"a\""), expected, "{asked:?}");
            assert_eq!(names(&values(asked), "\"a\""), expected, "{asked:?}");
        }
    }

    #[tokio::test]
    async fn the_same_bytes_are_not_sent_again() {
        let parts = || {
            let (mut parts, ()) = Response::new(()).into_parts();
            let json = HeaderValue::from_static("application/json");
            parts.headers.insert(header::CONTENT_TYPE, json);
            parts
        };
        let first = tagged(parts(), Bytes::from_static(b"{}"), &[]);
        let tag = first.headers()[header::ETAG].clone();
        assert!(tag.to_str().unwrap().starts_with("W/\""), "{tag:?}");
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(to_bytes(first.into_body(), 10).await.unwrap(), "{}");

        let again = tagged(parts(), Bytes::from_static(b"{}"), std::slice::from_ref(&tag));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::ETAG], tag);
        assert!(!again.headers().contains_key(header::CONTENT_TYPE));
        assert!(to_bytes(again.into_body(), 10).await.unwrap().is_empty());

        let other = tagged(parts(), Bytes::from_static(b"[]"), std::slice::from_ref(&tag));
        assert_eq!(other.status(), StatusCode::OK);
        assert_ne!(other.headers()[header::ETAG], tag);
    }
}
