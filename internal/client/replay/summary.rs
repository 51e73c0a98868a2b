//! The counts of a replay, and the proof that its readings were stored.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount, HumanFloatCount};

use super::source::Input;

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

/// What became of the accepted readings, by the receipts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Uploads with every accepted reading accounted for.
    pub uploads: u64,
    /// New rows.
    pub persisted: u64,
    /// Stored already.
    pub duplicates: u64,
    /// Stored already with another value, which stays.
    pub conflicts: u64,
    /// In dead letters.
    pub failed: u64,
    /// Uploads that could not be proved.
    pub unproved: u64,
    /// Why the first of them could not.
    pub reason: Option<String>,
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
