//! Managing subscriptions and areas over HTTP: `/api/subscriptions…` and `/api/areas…`.
//!
//! A file holds one idea, and SQL is in `postgres.rs` and `postgres/`. What a definition may say is in
//! `definition.rs`, and `definition::Subscription` is the checked one.
//!
//! Deliberately not here: evaluating and sending. A subscription by SQL alone is checked by the evaluator.

mod access;
mod areas;
mod attempt;
mod attempts;
mod body;
mod database;
mod definition;
mod manager;
mod members;
mod pause;
mod postgres;
mod rehearsal;
mod replay;
mod replays;
mod secret;
mod shown;
mod span;
mod subscriptions;
mod test;
#[cfg(test)]
mod tests;

pub use manager::Manager;
pub use rehearsal::{Matched, Test};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::sync::Arc;

/// The routes of subscriptions and areas, for those who bear the key.
pub fn routes(manager: Manager) -> Router {
    let manager = Arc::new(manager);
    let named = get(subscriptions::show)
        .put(subscriptions::replace)
        .delete(subscriptions::delete)
        // A subscription may be called "test", too.
        .post(test::test);
    let subscriptions = Router::new()
        .route(
            "/api/subscriptions",
            get(subscriptions::list).post(subscriptions::create),
        )
        .route("/api/subscriptions/{name}", named)
        .route("/api/subscriptions/{name}/secret", get(secret::secret))
        .route("/api/subscriptions/{name}/rotate", post(secret::rotate))
        .route("/api/subscriptions/{name}/attempts", get(attempts::attempts))
        .route("/api/subscriptions/{name}/dead", get(attempts::dead))
        .route("/api/subscriptions/{name}/redrive", post(attempts::redrive))
        .route(
            "/api/subscriptions/{name}/replays",
            get(replays::list).post(replays::create),
        )
        .route("/api/subscriptions/{name}/pause", post(pause::pause))
        .route("/api/subscriptions/{name}/resume", post(pause::resume))
        .layer(DefaultBodyLimit::max(body::MAX));
    let one_area = get(areas::show).put(areas::replace).delete(areas::delete);
    let areas = Router::new()
        .route("/api/areas", get(areas::list).post(areas::create))
        .route("/api/areas/{name}", one_area)
        .layer(DefaultBodyLimit::max(body::MAX_AREA));
    subscriptions
        .merge(areas)
        .layer(from_fn_with_state(manager.clone(), access::check))
        .with_state(manager)
}
