//! Slots: permits of which each storing task holds one.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Waits for a slot.
pub(super) async fn slot(slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    slots.clone().acquire_owned().await.expect("the slots are never closed")
}

/// Waits for this moment, then for a slot. Takes none when dropped.
pub(super) async fn due_slot(slots: &Arc<Semaphore>, due: Instant) -> OwnedSemaphorePermit {
    sleep_until(due).await;
    slot(slots).await
}
