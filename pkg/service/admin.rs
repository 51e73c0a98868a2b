//! `/livez`, `/readyz` and `/metrics`, on a port of their own that is not public.

use crate::Service;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::time::Duration;
use web::{Front, Limits};

/// The content type of `/metrics`: OpenMetrics text.
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Settings of the admin port. Its clients are a probe and a scraper; its short deadlines cut off others.
pub(crate) fn front() -> Front {
    let limits = Limits {
        connections: 64,
        head: Duration::from_secs(10),
        write: Duration::from_secs(10),
        buffer: 16 * 1024,
    };
    Front {
        limits,
        certificate: None,
    }
}

pub(crate) fn routes(service: Service) -> Router {
    let (ready, metrics) = (service.clone(), service);
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { readyz(&ready) }))
        .route("/metrics", get(move || async move { self::metrics(&metrics) }))
}

fn readyz(service: &Service) -> impl IntoResponse + use<> {
    let unready = service.0.health.unready();
    if unready.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {}\n", unready.join(", ")),
        )
    }
}

fn metrics(service: &Service) -> impl IntoResponse + use<> {
    let mut text = String::new();
    // Writing into a String does not fail; a failing encoder would give an empty page.
    let _ = prometheus_client::encoding::text::encode(&mut text, &service.metrics());
    ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], text)
}
