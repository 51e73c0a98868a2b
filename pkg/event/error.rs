//! What went wrong, by what the caller does next.

/// Errors of the event bus.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used; say so and stop.
    #[error("the event bus URL cannot be used: {0}")]
    Url(String),
    /// The bus does not answer, or cannot take more now; try again.
    #[error("the event bus is unavailable: {0}")]
    Unavailable(String),
    /// The bus is not one that keeps what it is given; a person has to act.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Whether this is worth a line in the log: no part of this process was told the same lately.
    /// Ask only to log it.
    pub fn is_news(&self) -> bool {
        crate::seldom::is_news(&self.to_string())
    }
}
