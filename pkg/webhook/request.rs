//! What one try sends.

use crate::target::Target;
use crate::{Error, Headers, Signature};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method};
use http_body_util::Full;

/// Sent unless the subscriber's headers say otherwise.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("odograph/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What one try sends.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    headers: Headers,
    signature: Signature,
    body: Bytes,
}

impl Request {
    /// A POST. Its `Content-Type` is `application/json` unless a header of the subscriber's says otherwise;
    /// that of the sender's format is one of `headers` too.
    #[must_use]
    pub fn new(headers: Headers, signature: Signature, body: Bytes) -> Self {
        Self {
            method: Method::POST,
            headers,
            signature,
            body,
        }
    }

    /// Sends it by another method: GET, PUT, PATCH, DELETE or HEAD.
    ///
    /// # Errors
    /// [`Error::Request`] for any other.
    pub fn with_method(mut self, method: &str) -> Result<Self, Error> {
        self.method = match method {
            "POST" => Method::POST,
            "GET" => Method::GET,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            "HEAD" => Method::HEAD,
            _ => {
                return Err(Error::Request(
                    "the method is none of POST, GET, PUT, PATCH, DELETE, HEAD",
                ));
            }
        };
        Ok(self)
    }

    pub(crate) fn build(&self, target: &Target) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target.path().clone();
        let headers = request.headers_mut();
        headers.clone_from(self.headers.map());
        headers.insert(HOST, target.origin().header.clone());
        headers.insert("webhook-id", self.signature.id.clone());
        headers.insert("webhook-timestamp", self.signature.timestamp.clone());
        headers.insert("webhook-signature", self.signature.value.clone());
        headers.entry(USER_AGENT).or_insert(AGENT);
        if !self.body.is_empty() {
            headers.entry(CONTENT_TYPE).or_insert(JSON);
        }
        request
    }
}
