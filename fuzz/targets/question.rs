//! Any bytes as path and query of a question to the API: the answer is no internal error. There is no
//! database, so a good question gets 503.

#![no_main]

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Uri};
use libfuzzer_sys::fuzz_target;
use service::Service;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;
use tower::ServiceExt;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads can be started"));

static API: LazyLock<Router> = LazyLock::new(|| {
    let nowhere = "postgres://me@%2Fnonexistent/nothing?sslmode=disable";
    let pool = postgres::open(nowhere, 4, Duration::from_secs(1)).expect("the URL is good");
    let service = Service::new("fuzz", Duration::from_secs(25));
    web::finish(query::routes(pool, query::Options::default(), &service))
});

const PATHS: [&str; 6] = [
    "/api/trends?sensor=speed&",
    "/api/trends?",
    "/api/statistics/latest?",
    "/api/statistics/sensor/",
    "/api/ingests/",
    "/",
];

// The first byte selects the path.
fuzz_target!(|data: &[u8]| {
    let Some((path, rest)) = data.split_first() else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    let target = format!("{}{rest}", PATHS[usize::from(*path) % PATHS.len()]);
    let Ok(uri) = target.parse::<Uri>() else { return };
    let request = Request::get(uri).body(Body::empty()).expect("the request is good");
    let status = RUNTIME.block_on(async {
        API.clone()
            .oneshot(request)
            .await
            .expect("a router never fails")
            .status()
    });
    assert!(
        matches!(status.as_u16(), 200 | 400 | 404 | 405 | 503),
        "{status} to {target}"
    );
});
