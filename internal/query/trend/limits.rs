//! What an answer may have at the most: each limit a flag.

/// The limits of trends, as flags.
#[derive(clap::Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrendLimits {
    /// Trends: buckets of a series at the most, with empty ones
    #[arg(long, env, default_value_t = 10_000, value_parser = number, value_name = "NUMBER")]
    pub trend_max_buckets: usize,

    /// Trends: buckets of all series of an answer at the most, with empty ones
    #[arg(long, env, default_value_t = 50_000, value_parser = number, value_name = "NUMBER")]
    pub trend_max_all_buckets: usize,

    /// Trends: series of an answer at the most; each costs two statements
    #[arg(long, env, default_value_t = 500, value_parser = number, value_name = "NUMBER")]
    pub trend_max_series: usize,

    /// Trends: points that may be asked for
    #[arg(long, env, default_value_t = 2_000, value_parser = number, value_name = "NUMBER")]
    pub trend_max_points: usize,
}

impl Default for TrendLimits {
    /// Those of the flags.
    fn default() -> Self {
        Self {
            trend_max_buckets: 10_000,
            trend_max_all_buckets: 50_000,
            trend_max_series: 500,
            trend_max_points: 2_000,
        }
    }
}

/// The largest limit: statements and memory have no room for more.
const LARGEST: usize = 1_000_000_000;

/// Parses a limit.
fn number(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    let number = number.filter(|number| (1..=LARGEST).contains(number));
    number.ok_or_else(|| format!("write a whole number from 1 to {LARGEST}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        limits: TrendLimits,
    }

    #[test]
    fn the_defaults_are_those_of_the_flags() {
        assert_eq!(Flags::parse_from(["api"]).limits, TrendLimits::default());
        for wrong in ["0", "-1", "1.5", "many", "1000000001"] {
            let flags = ["api".to_owned(), format!("--trend-max-series={wrong}")];
            assert!(Flags::try_parse_from(flags).is_err(), "{wrong}");
        }
    }
}
