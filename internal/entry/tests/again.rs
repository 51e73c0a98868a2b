//! Statuses after which a client comes again: each says when.

use super::{bearer, routes};
use crate::{Admission, Journal, Options};
use ::postgres::Pool;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use futures_util::future::join_all;
use serde_json::Value;
use service::Service;
use std::num::NonZeroU32;
use std::time::Duration;
use tower::ServiceExt;

/// Connections to a database that does not answer.
fn away() -> Pool {
    ::postgres::open("postgres://127.0.0.1:1/nothing", 4, Duration::from_secs(30)).unwrap()
}

/// The answer to a request: its status, after how many seconds to come again, its problem document.
async fn ask(routes: &Router, method: Method, path: &str) -> (u16, Option<u64>, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, bearer("anna"));
    let request = request.body(Body::from(r#"{"text":"a #tag"}"#)).unwrap();
    let answer = routes.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let after = answer.headers().get(header::RETRY_AFTER);
    let after = after.map(|after| after.to_str().unwrap().parse().unwrap());
    let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
    (status, after, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn while_the_database_is_away() {
    let routes = routes(&away(), Options::default());
    let entry = "/message/01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for (method, path) in [
        (Method::POST, "/message"),
        (Method::GET, "/message"),
        (Method::GET, "/message?hashtag=cres&user_name=anna"),
        (Method::GET, entry),
        (Method::PATCH, entry),
        (Method::DELETE, entry),
        (Method::GET, "/trend?aggregation=1m"),
    ] {
        let (status, after, said) = ask(&routes, method.clone(), path).await;
        assert_eq!(status, 503, "{method} {path}: {said}");
        assert!(after.is_some_and(|seconds| seconds >= 1), "{method} {path}: {after:?}");
        assert_eq!(said["error"], said["detail"], "{method} {path}");
    }
}

#[tokio::test]
async fn a_key_that_writes_too_fast() {
    let admission = Admission::of(None).with_claims().limited(NonZeroU32::new(1));
    let service = Service::new("test", Duration::from_secs(25));
    let journal = Journal::new(away(), Options::default(), admission, &service);
    let routes = web::finish(journal.routes());
    let answers = join_all((0..10).map(|_| ask(&routes, Method::POST, "/message"))).await;
    let (status, after, said) = answers.iter().find(|(status, ..)| *status == 429).unwrap();
    assert!(after.is_some_and(|seconds| seconds >= 1), "{status}: {after:?}");
    assert_eq!(said["error"], said["detail"]);
}
