//! Uploads recordings to an ingestor: files or standard input, newline-delimited JSON, plain or
//! gzip.
//!
//! An input goes in chunks of whole lines, each one request. A chunk is through when the ingestor
//! has judged every line of it (200 or 400); a refusal that no repetition mends ends the replay;
//! everything else is tried again, which is safe, since a reading that arrives twice counts once.
//! Rejected lines are kept beside the input with the reasons. Memory holds one chunk being sent
//! and one being read, whatever the size of the input.
//!
//! Deliberately not here: following a file that grows, deleting what was sent, and memory of
//! earlier runs.

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

/// What to send, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ingestor's address; `/ingest` is appended.
    pub url: String,
    /// The key to authenticate with.
    pub api_key: Option<SecretString>,
    /// The device whose key it is, and whose readings these are where they do not say.
    pub device: Option<String>,
    /// Sent in this order.
    pub inputs: Vec<Input>,
    /// The most that a request carries. A line that is longer is not sent.
    pub chunk_bytes: usize,
    /// The most that a request may take, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// How long one chunk is tried again and again; for ever where there is nothing.
    pub max_retry_time: Option<Duration>,
    /// The API's address, to be asked what became of each upload.
    pub api_url: Option<String>,
    /// How long it is asked while no upload is proved.
    pub prove_timeout: Duration,
}

/// What a replay has done.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Carried by every request of the run, and found in the ingestor's log.
    pub correlation_id: String,
    /// Inputs that were read, the last perhaps in part.
    pub inputs: u64,
    /// Readings that the ingestor has accepted.
    pub accepted: u64,
    /// Lines that it has not, and those that were too long to be sent.
    pub rejected: u64,
    /// Bytes of the lines that were sent, each counted once.
    pub bytes: u64,
    /// Requests that were repeated.
    pub retries: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Files that hold the rejected lines, and how many each.
    pub rejects: Vec<(PathBuf, u64)>,
    /// Inputs that could not be read to their end.
    pub broken: Vec<Broken>,
    /// What became of the accepted readings, where the API was asked.
    pub proof: Option<Proof>,
}

/// An input that could not be read to its end.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which one.
    pub input: Input,
    /// Why.
    pub reason: String,
}

/// Why a replay ended before its inputs did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was told to: run it again.
    #[error("stopped half way; run it again whenever you like, what has arrived counts once")]
    Interrupted,
    /// The options make no sense together: correct them.
    #[error("{0}")]
    Usage(String),
    /// An input cannot be opened; nothing was sent.
    #[error("cannot read {input}; nothing was sent")]
    Input {
        /// Which one.
        input: Input,
        /// What the system says.
        source: io::Error,
    },
    /// The ingestor says no, and would again.
    #[error("the answer was {answer}\n{advice}")]
    Refused {
        /// The status and the ingestor's own words.
        answer: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The time for trying again is over: run it again later.
    #[error("gave up after the time that --max-retry-time allows: {reason}")]
    GaveUp {
        /// What kept the last try from succeeding.
        reason: String,
    },
    /// Rejected lines cannot be told from accepted ones.
    #[error("the server counts rejected lines but does not list them; is --url an Odograph ingestor?")]
    Unlisted,
    /// The rejected lines cannot be kept: make room for them and run it again.
    #[error("cannot keep rejected lines in {}; make that possible and run it again", path.display())]
    Rejects {
        /// The file meant for them.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Sends everything, unless `stop` comes first. Tells what was done in either case, and why it
/// ended early if it did. Lines in a request that was under way may have arrived uncounted.
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
    /// Whether every line was read, and accepted, and proved to have arrived where that was asked.
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
                "in the database: {} new, {} were there already, {} with another value, {} failed",
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
