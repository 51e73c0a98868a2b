//! Errors, by what the caller does next.

/// Why a batch was not stored; none of it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data itself is at fault; the same data will fail again.
    #[error("the database refused the readings (SQLSTATE {0})")]
    Data(String),
    /// It took longer than a statement may; a smaller batch may succeed.
    #[error("the database took too long to store the readings")]
    Slow(#[source] tokio_postgres::Error),
    /// The database is unavailable; retry without end.
    #[error("the database cannot store readings now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
