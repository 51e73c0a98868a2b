//! How a persistor works, as flags.

use event::Lane;
use postgres::Pool;
use std::time::Duration;
use store::Store;

/// How readings are stored, as flags.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Storing {
    /// Approximate number of readings in one transaction
    #[arg(long, env, default_value_t = 50_000, value_name = "NUMBER")]
    pub batch_readings: usize,

    /// Transactions at once on each lane of the bus, large uploads and small ones, each over a
    /// connection of its own
    #[arg(long, env, default_value_t = 2, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub writers: u8,

    /// Transactions that are not full begin at least this far apart, so that many small posts
    /// share them; at most 1s
    #[arg(long, env, default_value = "20ms", value_parser = batch_interval, value_name = "DURATION")]
    pub batch_interval: Duration,

    /// About how many bytes of rejected lines to keep among the dead letters; beyond, the oldest are
    /// evicted. Refused messages go by their age alone
    #[arg(long, env, default_value = "1GiB", value_parser = dead_letter_bytes, value_name = "BYTES")]
    pub dead_letter_bytes: u64,

    /// Keep the first 100 invalid lines of each upload for its receipt, which every reader of the API may see
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub receipt_lines: bool,

    /// Which stored readings subscriptions judge
    #[arg(long, env, value_enum, default_value_t = Changes::Auto, value_name = "WHEN")]
    pub changes: Changes,
}

/// Which stored readings subscriptions judge.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Readings of series that a subscription watches
    Auto,
    /// No readings
    Never,
}

fn dead_letter_bytes(text: &str) -> Result<u64, String> {
    match service::bytes(text)? {
        bytes if bytes >= LEAST_BYTES => Ok(bytes),
        _ => Err("at least 1MiB: a dead letter holds up to 160 KiB of lines".to_owned()),
    }
}

/// Fewer bytes would hold only a few dead letters.
const LEAST_BYTES: u64 = 1 << 20;

fn batch_interval(text: &str) -> Result<Duration, String> {
    match service::duration(text)? {
        interval if interval <= Duration::from_secs(1) => Ok(interval),
        _ => Err("at most 1s: small posts are not visible before".to_owned()),
    }
}

impl Storing {
    /// A store over this pool that works as these flags say.
    pub fn store(&self, pool: Pool) -> Store {
        match self.changes {
            Changes::Auto => Store::new(pool),
            Changes::Never => Store::new(pool).without_changes(),
        }
    }

    /// The most database connections that a persistor with these settings uses.
    pub fn connections(&self) -> usize {
        // Plus one for dead letters.
        usize::from(self.writers) * Lane::ALL.len() + 1
    }
}
