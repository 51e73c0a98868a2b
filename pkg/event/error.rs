//! Errors, by what the caller does next.

use repeat::LogLimit;
use std::time::Duration;

/// Whether to log this text: the process has not logged it lately.
pub(crate) fn should_log(text: &str) -> bool {
    static FAILURES: LogLimit = LogLimit::every(Duration::from_secs(300));
    FAILURES.allows(text)
}

/// Errors of the event bus.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used; say so and stop.
    #[error("the event bus URL cannot be used: {0}")]
    Url(String),
    /// The bus does not answer, or cannot take more now; try again.
    #[error("the event bus is unavailable: {0}")]
    Unavailable(String),
    /// The bus would lose data; an operator has to act.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Whether to log this error: the process has not logged the same text lately. Call it only to log.
    pub fn should_log(&self) -> bool {
        should_log(&self.to_string())
    }
}
