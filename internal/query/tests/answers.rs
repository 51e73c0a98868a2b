//! What all answers have in common: tags, encodings, methods and origins.

use super::{Api, ask, json, nowhere};
use crate::{Options, routes};
use axum::Router;
use axum::body::to_bytes;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use flate2::read::MultiGzDecoder;
use service::Service;
use std::io::Read;
use std::time::Duration;

/// Lists, which need a database.
const LISTS: [&str; 3] = ["/api/devices", "/api/sensors", "/api/ingests"];

async fn bytes(response: Response) -> Vec<u8> {
    to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()
}

/// A database with enough sensors that an answer is worth compressing.
async fn with_many_sensors() -> Api {
    let names: Vec<String> = (0..40).map(|number| format!("sensor{number}")).collect();
    let readings: Vec<_> = names
        .iter()
        .map(|name| ("lada", &**name, "2021-02-28T10:00:00Z", 1.5))
        .collect();
    Api::with(&readings).await
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let path = "/api/statistics/latest";
    let api = Api::with(&[("lada", "speed", "2021-02-28T10:00:00Z", 1.0)]).await;
    let first = api.ask(Method::GET, path, &[]).await;
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");

    let known = [("if-none-match", &*tag)];
    for method in [Method::GET, Method::HEAD] {
        let again = api.ask(method.clone(), path, &known).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{method}");
        assert_eq!(again.headers()[header::ETAG], tag.as_str());
        assert_eq!(again.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(again.headers()[header::VARY], "accept-encoding");
        assert!(bytes(again).await.is_empty(), "{method}");
    }
    api.add(&[("lada", "speed", "2021-02-28T10:00:01Z", 2.0)]).await;
    let changed = api.ask(Method::GET, path, &known).await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()[header::ETAG], tag.as_str());
}

#[tokio::test]
async fn errors_have_no_tag() {
    for path in LISTS {
        let response = ask(&nowhere(), Method::GET, path, &[("if-none-match", "*")]).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!response.headers().contains_key(header::ETAG), "{path}");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_stored_value_that_cannot_be_read_is_no_outage() {
    let path = "/api/statistics/latest";
    let api = Api::with(&[("lada", "speed", "2021-02-28T10:00:00Z", 1.0)]).await;
    for time in ["infinity", "9999-12-31 23:00:00+00"] {
        api.execute(&format!("UPDATE series SET latest_timestamp = '{time}'"))
            .await;
        let answer = api.ask(Method::GET, path, &[]).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{time}");
        assert!(!answer.headers().contains_key(header::RETRY_AFTER), "{time}");
    }
}

#[tokio::test]
async fn a_tag_is_of_every_encoding() {
    let api = with_many_sensors().await;
    let plain = api.ask(Method::GET, "/api/sensors", &[]).await;
    assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
    let tag = plain.headers()[header::ETAG].clone();
    let body = bytes(plain).await;
    assert!(body.len() > 1024);
    for encoding in ["gzip", "zstd"] {
        let accepted = [("accept-encoding", encoding)];
        let encoded = api.ask(Method::GET, "/api/sensors", &accepted).await;
        assert_eq!(encoded.headers()[header::CONTENT_ENCODING], encoding);
        assert_eq!(encoded.headers()[header::ETAG], tag);
        assert_eq!(encoded.headers()[header::VARY], "accept-encoding");
        let encoded = bytes(encoded).await;
        assert!(encoded.len() < body.len() / 2, "{encoding}: {} bytes", encoded.len());
        if encoding == "gzip" {
            let mut text = Vec::new();
            MultiGzDecoder::new(&encoded[..]).read_to_end(&mut text).unwrap();
            assert!(text == body);
        }
    }
    // Not worth it.
    let short = api
        .ask(Method::GET, "/api/status", &[("accept-encoding", "gzip")])
        .await;
    assert!(!short.headers().contains_key(header::CONTENT_ENCODING));
}

#[tokio::test]
async fn an_answer_without_an_encoding_is_for_every_client() {
    let api = with_many_sensors().await;
    for (accepted, expected) in [
        ("*;q=0", None),
        ("identity;q=0", None),
        ("br, identity;q=0, *;q=0", None),
        ("gzip;q=0, zstd;q=0, *;q=0", None),
        ("gzip, *;q=0", Some("gzip")),
        ("gzip, identity;q=0", Some("gzip")),
    ] {
        let accept = [("accept-encoding", accepted)];
        let answer = api.ask(Method::GET, "/api/sensors", &accept).await;
        assert_eq!(answer.status(), StatusCode::OK, "{accepted}");
        let encoding = answer.headers().get(header::CONTENT_ENCODING);
        assert_eq!(encoding.map(|name| name.to_str().unwrap()), expected, "{accepted}");
        let problem = api.ask(Method::GET, "/api/sensors?x=1", &accept).await;
        assert_eq!(json(problem).await["status"], 400, "{accepted}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let api = with_many_sensors().await;
    let get = api.ask(Method::GET, "/api/sensors", &[]).await;
    let head = api.ask(Method::HEAD, "/api/sensors", &[]).await;
    for name in [header::ETAG, header::CONTENT_LENGTH, header::CONTENT_TYPE] {
        assert_eq!(head.headers()[&name], get.headers()[&name], "{name}");
    }
    assert!(bytes(head).await.is_empty());
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let api = Api::start().await;
    for path in LISTS.iter().chain(&["/api/dumps", "/dumps/x", "/api/status"]) {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let response = api.ask(method.clone(), path, &[]).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(response.headers()[header::ALLOW], "GET,HEAD", "{method} {path}");
            assert_eq!(json(response).await["status"], 405, "{method} {path}");
        }
    }
}

/// The routes for pages of these origins.
fn for_origins(origins: &[&str]) -> Router {
    let pool = ::postgres::open("postgres://nobody@127.0.0.1:1/nothing", 1, Duration::from_secs(1)).unwrap();
    let options = Options {
        origins: origins.iter().map(|origin| origin.parse().unwrap()).collect(),
        ..Options::default()
    };
    web::finish(routes(pool, options, &Service::new("test", Duration::from_secs(25))))
}

#[tokio::test]
async fn without_an_origin_no_page_may_read() {
    let page = [("origin", "https://dash.example")];
    for path in LISTS {
        for method in [Method::GET, Method::OPTIONS] {
            let response = ask(&for_origins(&[]), method, path, &page).await;
            assert!(
                !response.headers().contains_key("access-control-allow-origin"),
                "{path}"
            );
        }
        let response = ask(&for_origins(&[]), Method::OPTIONS, path, &[]).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD", "{path}");
    }
}

#[tokio::test]
async fn pages_of_named_origins_may_read() {
    let routes = for_origins(&["https://dash.example", "http://127.0.0.1:3000"]);
    for (origin, allowed) in [
        ("https://dash.example", true),
        ("http://127.0.0.1:3000", true),
        ("http://dash.example", false),
        ("https://other.example", false),
        ("null", false),
    ] {
        let response = ask(&routes, Method::GET, "/api/status", &[("origin", origin)]).await;
        let told = response.headers().get("access-control-allow-origin");
        assert_eq!(told.is_some_and(|told| told == origin), allowed, "{origin}: {told:?}");
        let mut varies = response.headers().get_all(header::VARY).iter();
        assert!(varies.any(|name| name == "origin"), "{origin}");
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_named() {
    for (path, meant) in [
        ("/api/devices?limits=5", "limit"),
        ("/api/sensors?devise=lada", "device"),
        ("/api/ingests?curser=x", "cursor"),
        ("/api/dumps?limt=5", "limit"),
    ] {
        let response = ask(&nowhere(), Method::GET, path, &[]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let problem = json(response).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("write {meant} if you mean that")),
            "{path}: {detail}"
        );
    }
}
