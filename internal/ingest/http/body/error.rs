//! Why reading a body stopped.

use reading::signature::Foreign;

/// Why reading stopped. What was read before stands.
#[derive(Debug, thiserror::Error)]
pub(in crate::http) enum Error {
    #[error("the body broke off")]
    Broken,
    #[error("the body cannot be decoded")]
    Undecodable,
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the body grows more than a thousand times when it is decoded")]
    Bomb,
    #[error("the zstd window is larger than 8 MiB")]
    Window,
    /// The body came whole, but its gzip or zstd data is cut.
    #[error("the compressed data is cut")]
    Damaged,
    #[error("the body is not in its content encoding")]
    Mislabelled,
    #[error("something else follows the compressed data")]
    Mixed,
    /// UTF-16, or one layer of compression too many.
    #[error("the body is {0:?}")]
    Foreign(Foreign),
}
