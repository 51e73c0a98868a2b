//! How readings are compared, as flags.

use std::path::PathBuf;
use std::time::Duration;

/// How readings are compared, as flags.
#[derive(clap::Args, Clone, Debug)]
pub struct Comparing {
    /// Folder for the temporary files that a stream is sorted in; they need up to twice the room
    /// of its readings, 16 bytes each
    #[arg(long, env, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    pub scratch_dir: PathBuf,

    /// Approximate memory for sorting a stream's readings
    #[arg(long, env, default_value = "64MiB", value_parser = service::bytes, value_name = "BYTES")]
    pub sort_memory: u64,

    /// How long to wait for a silent stream; time spent on sorting does not count
    #[arg(long, env, default_value = "60s", value_parser = service::duration, value_name = "DURATION")]
    pub patience: Duration,
}
