//! What a definition would have told.

use crate::Subscription;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use web::Problem;

/// Judges what a definition would have told from a time to another, in microseconds since 1970.
pub type Test = Box<dyn Fn(Subscription, i64, i64) -> BoxFuture<'static, Result<Matched, Problem>> + Send + Sync>;

/// What a definition would have told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Matched {
    /// How many events.
    pub matched: u64,
    /// The first of them, as they would be sent.
    pub events: Vec<Value>,
}
