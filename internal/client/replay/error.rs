//! Why a replay ended before its inputs did.

use std::io;
use std::path::PathBuf;

use super::source::Input;

/// Why a replay ended before its inputs did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was stopped: run it again.
    #[error("the replay was stopped; run it again, readings that arrived count once")]
    Interrupted,
    /// The options contradict each other: correct them.
    #[error("{0}")]
    Usage(String),
    /// An input cannot be opened; nothing was sent.
    #[error("cannot read {input}; nothing was sent")]
    Input {
        /// The input.
        input: Input,
        /// The system's error.
        source: io::Error,
    },
    /// The ingestor refuses, and would again.
    #[error("the answer was {answer}\n{advice}")]
    Refused {
        /// The status and the ingestor's own words.
        answer: String,
        /// Advice for the user.
        advice: &'static str,
    },
    /// The time for retries is over: run it again later.
    #[error("gave up after the time that --max-retry-time allows: {reason}")]
    GaveUp {
        /// Why the last try failed.
        reason: String,
    },
    /// Rejected lines cannot be told from accepted ones.
    #[error("the server counts rejected lines but does not list them; is --url an Odograph ingestor?")]
    Unlisted,
    /// The rejected lines cannot be written: make room for them and run it again.
    #[error("cannot keep rejected lines in {}; make that possible and run it again", path.display())]
    Rejects {
        /// The file for them.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}
