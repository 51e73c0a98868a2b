//! What one client may take of an ingestor, each limit a flag.

use reading::Bounds;
use std::num::NonZeroU32;
use std::time::Duration;

/// The limits of an ingestor, as flags.
#[derive(clap::Args, Clone, Debug)]
pub struct Limits {
    /// Longest reading, and longest line without a reading; a longer one is rejected without being kept in memory
    #[arg(long, env, default_value = "64KiB", value_parser = service::bytes, value_name = "SIZE")]
    pub max_line: u64,

    /// Largest body, as it is sent (413); without it, any
    #[arg(long, env, value_parser = service::bytes, value_name = "SIZE")]
    pub max_body: Option<u64>,

    /// Longest pause within an upload (408)
    #[arg(long, env, default_value = "30s", value_parser = service::duration, value_name = "DURATION")]
    pub upload_idle_timeout: Duration,

    /// Longest upload (408)
    #[arg(long, env, default_value = "1h", value_parser = service::duration, value_name = "DURATION")]
    pub upload_timeout: Duration,

    /// Uploads at once (503)
    #[arg(long, env, default_value_t = 256, value_name = "NUMBER")]
    pub max_uploads: usize,

    /// Uploads at once with one key (429)
    #[arg(long, env, default_value_t = 128, value_name = "NUMBER")]
    pub max_uploads_per_key: usize,

    /// Uploads a second with one key (429); without it, any number
    #[arg(long, env, value_name = "NUMBER")]
    pub max_rate_per_key: Option<NonZeroU32>,

    /// Most series (device and sensor) that one key may bring since the start (429); all keys together may bring ten
    /// times as many (503). Readings of further series are deferred
    #[arg(long, env, default_value_t = 100_000, value_name = "NUMBER")]
    pub max_series: usize,

    /// Bytes of rejected lines that one key may bring at once, and again within each hour (429)
    #[arg(long, env, default_value = "64MiB", value_parser = service::bytes, value_name = "SIZE")]
    pub max_rejected_per_key: u64,

    /// The event times that are taken.
    #[command(flatten)]
    pub times: EventTimes,

    /// Trust this machine's clock although it is behind a reference (release, event bus, newest receipt);
    /// without it, uploads are refused (503) until the clock is set
    #[arg(long, env)]
    pub trust_clock: bool,
}

/// The event times that readings may have.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct EventTimes {
    /// Oldest event time: earlier ones come from clocks that were never set, which begin in 1970, 1980 or 2000
    #[arg(long, env, default_value = "2001-01-01T00:00:00Z", value_parser = service::moment, value_name = "TIME")]
    pub oldest: jiff::Timestamp,

    /// How far ahead of this machine's clock an event time may be
    #[arg(long, env, default_value = "24h", value_parser = service::duration, value_name = "DURATION")]
    pub max_future: Duration,
}

impl EventTimes {
    /// The event times that are taken now.
    pub fn bounds(&self) -> Bounds {
        Bounds::until(self.oldest.as_microsecond(), self.max_future)
    }
}

impl Limits {
    /// Bytes of the longest line.
    pub(crate) fn max_line(&self) -> usize {
        usize::try_from(self.max_line).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        limits: Limits,
    }

    pub(crate) fn limits(flags: &str) -> Limits {
        Flags::parse_from(std::iter::once("test").chain(flags.split_whitespace())).limits
    }

    #[test]
    fn times_as_flags() {
        assert_eq!(
            limits("--oldest 1990-05-01").times.oldest,
            limits("--oldest 1990-05-01T00:00:00Z").times.oldest
        );
    }
}
