//! What a sender works with.

use super::database::Database;
use super::{Limits, Metrics};
use std::sync::Arc;
use webhook::{Allowed, Client, Keys};

/// What a sender works with, in every term.
pub(super) struct Parts {
    pub(super) database: Database,
    pub(super) client: Arc<Client>,
    pub(super) keys: Keys,
    pub(super) allowed: Allowed,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
}
