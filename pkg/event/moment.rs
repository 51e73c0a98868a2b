//! How long the bus may take to be told something about events.

use std::time::Duration;

/// How long the bus may take to be told of deliveries. A client's full queue empties much faster, as long
/// as the server answers.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(1);

/// Waits until the bus was told of deliveries, at most [`ACKNOWLEDGE_TIMEOUT`]. It redelivers the others.
pub(crate) async fn for_a_moment(telling: impl Future<Output = ()>) {
    if tokio::time::timeout(ACKNOWLEDGE_TIMEOUT, telling).await.is_err() {
        tracing::debug!("could not acknowledge in time; the event bus redelivers the events");
    }
}
