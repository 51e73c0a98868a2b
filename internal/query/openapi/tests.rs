//! The page, of a small document. `crate::tests::described` tests the document itself.

use super::{http, page};
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

#[test]
fn a_page_shows_all_of_a_document_and_runs_none_of_it() {
    let document = json!({
        "info": {"version": "1", "description": "First.\n\nSecond <script>alert(1)</script>."},
        "tags": [{"name": "system", "description": "All."}],
        "paths": {"/api/a": {"get": {
            "operationId": "a", "tags": ["system"], "summary": "What `a` is.",
            "parameters": [{"name": "limit", "in": "query", "required": true, "description": "How many.",
                "schema": {"type": "integer", "minimum": 1, "maximum": 9}}],
            "responses": {"200": {"description": "All.", "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/A"}, "example": {"b": "<b>"}}}}}
        }}},
        "components": {"schemas": {"A": {"type": "object", "required": ["b"], "properties": {
            "b": {"type": "string", "description": "A <b>."}, "c": {"type": ["number", "null"]}}}}}
    });
    let html = page::page(&document);
    for shown in [
        "<p>Second &lt;script&gt;alert(1)&lt;/script&gt;.</p>",
        "<h3 id=\"a\"><code>GET /api/a</code></h3>",
        "<p>What <code>a</code> is.</p>",
        "<code>limit</code><span class=\"soft\"> required</span>",
        "integer from 1 to 9",
        "<a href=\"#structure-A\">A</a>",
        "&quot;b&quot;: &quot;&lt;b&gt;&quot;",
        "<code>c</code><span class=\"soft\"> may be left out</span>",
        "number or null",
    ] {
        assert!(html.contains(shown), "{shown}\n{html}");
    }
    assert!(!html.contains("<script"), "{html}");
}

#[tokio::test]
async fn a_browser_lets_the_page_have_its_style_alone() {
    let routes = http::described(OpenApiRouter::default());
    let request = Request::builder().uri("/api").body(Body::empty()).unwrap();
    let response = routes.oneshot(request).await.unwrap();
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let html = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let html = std::str::from_utf8(&html).unwrap();
    let (_, rest) = html.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    let hash = STANDARD.encode(Sha256::digest(style));
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    for other in ["style=", "<link", "<img", "http://", "https://"] {
        assert!(!html.contains(other), "{other}");
    }
}
