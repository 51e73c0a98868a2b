//! Settings of a run.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides the load and the faults.
    pub seed: u64,
    /// How long faults go on.
    pub duration: Duration,
    /// Faults that have to happen; if they do not within `duration`, the run takes up to twice as long.
    pub faults: u32,
    /// Repeat the journal on the terminal.
    pub aloud: bool,
    /// Keep the logs of good runs, too.
    pub keep: bool,
}

impl Options {
    /// Settings of `make soak-messages`: a month, where a week is the retention of a minute.
    #[must_use]
    pub fn month(seed: u64) -> Self {
        Self {
            seed,
            duration: Duration::from_secs(300),
            faults: 60,
            aloud: false,
            keep: false,
        }
    }

    pub(super) fn folder(&self) -> PathBuf {
        let name = format!("messages-{}", self.seed);
        testutil::workspace().join("target/soak").join(name)
    }
}
