//! Settings of a run.

use std::path::PathBuf;
use std::time::Duration;

/// The clients' key.
pub(crate) const KEY: &str = "soak-key";

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides the load and the faults.
    pub seed: u64,
    /// How long faults go on.
    pub duration: Duration,
    /// Faults that have to happen; if they do not within `duration`, the run takes up to twice as long.
    pub faults: u32,
    /// Clients; every fourth sends large bodies.
    pub clients: u32,
    /// Readings a second in large bodies, over all clients, except while the stream is being filled.
    pub pace: u64,
    /// Every kind of fault once and briefly, for a test that runs beside others.
    pub short: bool,
    /// The limit of the stream.
    pub stream_bytes: u64,
    /// The size of PostgreSQL's file system.
    pub disk_bytes: u64,
    /// Repeat the journal on the terminal.
    pub aloud: bool,
    /// Keep the logs of good runs, too.
    pub keep: bool,
}

impl Options {
    /// Settings of `make soak`.
    #[must_use]
    pub fn long(seed: u64) -> Self {
        Self {
            seed,
            duration: Duration::from_secs(600),
            faults: 200,
            clients: 4,
            pace: 20_000,
            short: false,
            stream_bytes: 24 << 20,
            disk_bytes: 8 << 30,
            aloud: false,
            keep: false,
        }
    }

    /// Settings of `make test`.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        Self {
            duration: Duration::from_secs(15),
            faults: 17,
            pace: 10_000,
            short: true,
            stream_bytes: 6 << 20,
            disk_bytes: 2 << 30,
            ..Self::long(seed)
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        testutil::workspace().join("target/soak").join(self.seed.to_string())
    }
}
