//! A try of a delivery, as it is shown.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// A try of a delivery.
#[derive(Debug, Serialize)]
pub(super) struct Attempt {
    /// Of the delivery: its `webhook-id`. None once its day was dropped.
    pub(super) id: Option<Uuid>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// The device, or the message's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    pub(super) moment: Option<Timestamp>,
    #[serde(rename = "try")]
    pub(super) tried: i32,
    pub(super) at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<i32>,
    pub(super) ms: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// How the answer began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
    pub(super) outcome: String,
    /// Of the next try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<Timestamp>,
}
