//! `GET /api/openapi.json` and `GET /api`.

use super::{document, page};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::Parameters;

/// The routes of all questions, with those that describe them.
pub(crate) fn described(questions: OpenApiRouter) -> Router {
    let own = OpenApiRouter::<Description>::default()
        .routes(routes!(openapi))
        .routes(routes!(page_for_people));
    let (own, of_own) = own.split_for_parts();
    let (questions, mut document) = questions.split_for_parts();
    document.merge(of_own);
    let document = document::finish(document);
    let own: Router = own.with_state(Description {
        json: document.to_string().into(),
        html: page::page(&document).into(),
        policy: policy(),
    });
    questions.merge(own)
}

/// The description, written once.
#[derive(Clone)]
struct Description {
    json: Bytes,
    html: Bytes,
    /// What a browser lets the page do.
    policy: HeaderValue,
}

/// These take no parameters.
#[derive(Deserialize)]
struct Nothing {}

/// This description, as OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "system",
    responses((
        status = 200,
        description = "The description.",
        content_type = "application/json",
        body = Object,
        example = json!({
            "openapi": "3.1.0",
            "info": {"title": "Odograph", "version": "0.1.0"},
            "paths": {"/api/status": {"get": {"operationId": "status", "responses": {}}}}
        })
    ))
)]
async fn openapi(State(description): State<Description>, Parameters(Nothing {}): Parameters<Nothing>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description.json).into_response()
}

/// This description as a page for people, without a script.
#[utoipa::path(
    get,
    path = "/api",
    operation_id = "page",
    tag = "system",
    responses((
        status = 200,
        description = "The page.",
        content((String = "text/html", example = "<!doctype html><html lang=\"en\"><title>The API of Odograph</title>…"))
    ))
)]
async fn page_for_people(
    State(description): State<Description>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, description.policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            HeaderName::from_static("referrer-policy"),
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (headers, description.html).into_response()
}

/// Lets a browser use the page's own style, and nothing else.
fn policy() -> HeaderValue {
    let style = STANDARD.encode(Sha256::digest(page::STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Base64 has only what a header can hold.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
