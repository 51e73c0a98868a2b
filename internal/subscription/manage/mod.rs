//! Managing subscriptions and areas over HTTP: `/api/subscriptions…` and `/api/areas…`.
//!
//! A file holds one idea, and SQL is in `postgres.rs` and `postgres/`. What a definition may say is in
//! `definition.rs`; [`Subscription`] is the checked one.
//!
//! Deliberately not here: evaluating and sending. A subscription by SQL alone is checked by the evaluator.

mod access;
mod areas;
mod attempts;
mod body;
mod database;
mod definition;
mod members;
mod pause;
mod postgres;
mod replays;
mod secret;
mod shown;
mod span;
mod subscriptions;
mod test;
#[cfg(test)]
mod tests;

pub use test::{Matched, Test};

use crate::Subscription;
use ::postgres::Pool;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use database::Database;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use service::Service;
use std::sync::Arc;
use std::time::Duration;
use web::Problem;
use webhook::{Allowed, Keys};

/// How long an answer waits until a rule is in force.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the routes need.
pub struct Manager {
    database: Database,
    key: Option<access::Key>,
    signing: Option<Arc<Keys>>,
    allowed: Allowed,
    test: Option<Test>,
    patience: Duration,
}

impl Manager {
    /// Manages the subscriptions of a database, for nobody yet: without a key every request is answered with 403.
    ///
    /// `service` awaits what has begun at its end.
    #[must_use]
    pub fn new(pool: Pool, service: &Service) -> Self {
        Self {
            database: Database::new(pool, service.clone()),
            key: None,
            signing: None,
            allowed: Allowed::default(),
            test: None,
            patience: PATIENCE,
        }
    }

    /// Sets the key that requests have to bear.
    #[must_use]
    pub fn key(mut self, key: &SecretString) -> Self {
        self.key = Some(access::Key::of(key));
        self
    }

    /// Sets the keys that secrets are made from.
    #[must_use]
    pub fn signing(mut self, keys: Arc<Keys>) -> Self {
        self.signing = Some(keys);
        self
    }

    /// Sets which targets the operator opens.
    #[must_use]
    pub fn allowed(mut self, allowed: Allowed) -> Self {
        self.allowed = allowed;
        self
    }

    /// Sets what answers `POST /api/subscriptions/test`: what a definition would have told from a time to another,
    /// in microseconds since 1970.
    #[must_use]
    pub fn test(
        mut self,
        test: impl Fn(Subscription, i64, i64) -> BoxFuture<'static, Result<Matched, Problem>> + Send + Sync + 'static,
    ) -> Self {
        self.test = Some(Box::new(test));
        self
    }
}

/// The state of the routes.
type Shared = Arc<Manager>;

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
