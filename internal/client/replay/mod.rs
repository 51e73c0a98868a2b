//! Uploads recordings to an ingestor: files or standard input, newline-delimited JSON, plain or gzip.
//!
//! An input goes in chunks of whole lines, each one request. A chunk is done when the ingestor has judged
//! every line of it (200 or 400). A refusal that a retry cannot change ends the replay. Every other failure
//! is retried, which is safe, since a reading that arrives twice counts once. Rejected lines are kept beside
//! the input with the reasons. For inputs of any size, memory holds one chunk being sent and one being read.
//!
//! Deliberately not here: following growing files, deleting sent files, and memory of earlier runs.

mod client;
mod lines;
mod progress;
mod proof;
mod reason;
mod rejects;
mod source;
mod upload;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount, HumanFloatCount};
use secrecy::SecretString;
use uuid::Uuid;

use self::client::Client;
pub use self::progress::Progress;
pub use self::proof::Proof;
use self::proof::Prover;
pub use self::source::Input;
use self::upload::Upload;

/// Inputs, destination and limits of a replay.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ingestor's address; `/ingest` is appended.
    pub url: String,
    /// The key to authenticate with.
    pub api_key: Option<SecretString>,
    /// The device that the key is for, and that readings without a device are of.
    pub device: Option<String>,
    /// Sent in this order.
    pub inputs: Vec<Input>,
    /// Most bytes of a request. A longer line is not sent.
    pub chunk_bytes: usize,
    /// Longest time of a request, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// Longest time of retries of one chunk; none: without end.
    pub max_retry_time: Option<Duration>,
    /// The API's address, for the receipt of each upload.
    pub api_url: Option<String>,
    /// How long to ask while no upload is proved.
    pub prove_timeout: Duration,
}

/// Counts of a replay.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Sent with every request of the run, and logged by the ingestor.
    pub correlation_id: String,
    /// Inputs read, the last perhaps in part.
    pub inputs: u64,
    /// Accepted readings.
    pub accepted: u64,
    /// Rejected lines, and lines too long to be sent.
    pub rejected: u64,
    /// Bytes of the sent lines, each counted once.
    pub bytes: u64,
    /// Retried requests.
    pub retries: u64,
    /// The duration of the run.
    pub elapsed: Duration,
    /// Files of rejected lines, with the number in each.
    pub rejects: Vec<(PathBuf, u64)>,
    /// Inputs that could not be read to their end.
    pub broken: Vec<Broken>,
    /// The receipts' counts, if the API was asked.
    pub proof: Option<Proof>,
}

/// An input that could not be read to its end.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The input.
    pub input: Input,
    /// The reason.
    pub reason: String,
}

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

impl Summary {
    /// Whether every line was read, accepted, and, if asked, proved to be stored.
    #[must_use]
    pub fn complete(&self) -> bool {
        let proved = self
            .proof
            .as_ref()
            .is_none_or(|proof| proof.unproved == 0 && proof.failed == 0);
        self.rejected == 0 && self.broken.is_empty() && proved
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        let rate = (self.accepted + self.rejected) as f64 / seconds.max(0.001);
        writeln!(
            formatter,
            "{} readings accepted, {} rejected, from {} {}",
            HumanCount(self.accepted),
            HumanCount(self.rejected),
            self.inputs,
            if self.inputs == 1 { "input" } else { "inputs" },
        )?;
        for (path, count) in &self.rejects {
            writeln!(formatter, "  {} rejected: see {}", HumanCount(*count), path.display())?;
        }
        for Broken { input, reason } in &self.broken {
            writeln!(formatter, "  {input}: {reason}")?;
        }
        if let Some(proof) = &self.proof {
            writeln!(
                formatter,
                "in the database: {} persisted, {} duplicates, {} conflicts, {} failed",
                HumanCount(proof.persisted),
                HumanCount(proof.duplicates),
                HumanCount(proof.conflicts),
                HumanCount(proof.failed),
            )?;
            if proof.unproved > 0 {
                let reason = proof.reason.as_deref().unwrap_or("not asked for any more");
                writeln!(
                    formatter,
                    "{} uploads are not proved: {reason}",
                    HumanCount(proof.unproved)
                )?;
            }
        }
        writeln!(
            formatter,
            "{} in {seconds:.1} s, {} readings/s, {} {}\ncorrelation id {}",
            BinaryBytes(self.bytes),
            HumanFloatCount(rate.round()),
            HumanCount(self.retries),
            if self.retries == 1 { "retry" } else { "retries" },
            self.correlation_id,
        )
    }
}

#[cfg(test)]
mod tests;
