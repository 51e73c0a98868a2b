//! What the routes of managing need.

use super::database::Database;
use super::rehearsal::{Matched, Test};
use crate::Subscription;
use ::postgres::Pool;
use access::SingleKey;
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
    pub(super) database: Database,
    pub(super) key: Option<SingleKey>,
    pub(super) signing: Option<Arc<Keys>>,
    pub(super) allowed: Allowed,
    pub(super) test: Option<Test>,
    pub(super) patience: Duration,
}

impl Manager {
    /// Manages the subscriptions of a database. Until [`Manager::key`] sets a key, every request is answered with 403.
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
        self.key = Some(SingleKey::new(key));
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
pub(super) type Shared = Arc<Manager>;
