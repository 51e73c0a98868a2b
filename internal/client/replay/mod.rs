//! Uploads recordings to an ingestor: files or standard input, newline-delimited JSON, plain or gzip.
//!
//! An input goes in chunks of whole lines, each one request. A chunk is done when the ingestor has judged
//! every line of it (200 or 400). A refusal that a retry cannot change ends the replay. Every other failure
//! is retried, which is safe, since a reading that arrives twice counts once. Rejected lines are kept beside
//! the input with the reasons. For inputs of any size, memory holds one chunk being sent and one being read.
//!
//! Deliberately not here: following growing files, deleting sent files, and memory of earlier runs.

mod client;
mod error;
mod lines;
mod options;
mod progress;
mod proof;
mod reason;
mod rejects;
mod source;
mod summary;
mod upload;

use uuid::Uuid;

use self::client::Client;
pub use self::error::Error;
pub use self::options::Options;
pub use self::progress::Progress;
use self::proof::Prover;
pub use self::source::Input;
pub use self::summary::{Broken, Proof, Summary};
use self::upload::Upload;

/// Sends everything, unless `stop` comes first. Returns the counts in either case, and why it ended early if
/// it did. Lines of an interrupted request may have arrived uncounted.
///
/// A TLS provider must have been installed.
pub async fn run(
    options: &Options,
    progress: Progress,
    stop: impl Future<Output = ()>,
) -> (Summary, Result<(), Error>) {
    let correlation_id = Uuid::now_v7().to_string();
    let summary = Summary {
        correlation_id: correlation_id.clone(),
        ..Summary::default()
    };
    let client = match Client::new(options, correlation_id) {
        Ok(client) => client,
        Err(error) => return (summary, Err(error)),
    };
    let prover = match Prover::new(options) {
        Ok(prover) => prover,
        Err(error) => return (summary, Err(error)),
    };
    let mut upload = Upload::new(client, prover, progress, summary);
    let ended = tokio::select! {
        biased;
        () = stop => Err(Error::Interrupted),
        ended = upload.all(options) => ended,
    };
    let (summary, kept) = upload.finish().await;
    (summary, ended.and(kept))
}

#[cfg(test)]
mod tests;
