//! The deadline of operations.

use crate::error::{Error, Failure};
use std::time::Duration;

/// Deadline of an operation, or of one step of a stream. The client's own deadlines are shorter, but do
/// not cover everything, such as a network file system that hangs.
const DEADLINE: Duration = Duration::from_secs(300);

/// Runs an operation, or one step of a stream, under the deadline.
pub(crate) async fn within<T>(
    operation: &'static str,
    name: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::Unavailable {
            operation,
            name: name.to_owned(),
            source: Failure::Deadline(DEADLINE),
        }),
    }
}
