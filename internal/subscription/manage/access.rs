//! Admits requests that bear the management key.

use super::manager::Shared;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use web::Problem;

/// Lets a request pass that bears the key.
pub(super) async fn check(State(manager): State<Shared>, request: Request, next: Next) -> Response {
    let Some(key) = &manager.key else {
        let text = "Subscriptions cannot be managed here: this server has no management key. \
                    Start it with --management-key, or with the variable MANAGEMENT_KEY.";
        return Problem::new(StatusCode::FORBIDDEN, text).into_response();
    };
    if given(request.headers()).is_some_and(|given| key.fits(given)) {
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

fn given(headers: &HeaderMap) -> Option<&str> {
    access::bearer(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
}
