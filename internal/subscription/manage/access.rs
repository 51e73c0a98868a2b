//! Who may manage subscriptions: whoever bears the key.

use super::Shared;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use web::Problem;

/// Most bytes of a key: a stranger must not make us hash whole heads.
const LONGEST: usize = 1024;

/// A key, as its SHA-256: equally long for all, so that the time of comparing tells nothing.
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(key: &SecretString) -> Self {
        Self(hash(key.expose_secret()))
    }

    fn fits(&self, given: &str) -> bool {
        given.len() <= LONGEST && self.0.ct_eq(&hash(given)).into()
    }
}

fn hash(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// Lets a request pass that bears the key.
pub(super) async fn check(State(manager): State<Shared>, request: Request, next: Next) -> Response {
    let Some(key) = &manager.key else {
        let text = "Subscriptions cannot be managed here: this server has no management key. \
                    Start it with --management-key, or with the variable MANAGEMENT_KEY.";
        return Problem::new(StatusCode::FORBIDDEN, text).into_response();
    };
    if bearer(request.headers()).is_some_and(|given| key.fits(given)) {
        let mut response = next.run(request).await;
        let headers = response.headers_mut();
        let never = HeaderValue::from_static("no-store");
        headers.entry(header::CACHE_CONTROL).or_insert(never);
        return response;
    }
    let text = "The management key is missing or wrong. Send it as Authorization: Bearer KEY.";
    Problem::new(StatusCode::UNAUTHORIZED, text)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        .into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}
