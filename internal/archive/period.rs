//! The period for which the database keeps readings.

use reading::time::DAY;
use std::fmt;
use std::str::FromStr;

/// How long readings stay in the database at least: a number of days, written `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    days: u32,
}

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        match days {
            Some(days) if (1..=365_000).contains(&days) => Ok(Self { days }),
            _ => Err("write a number of days, one at least, such as 90d".to_owned()),
        }
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.days)
    }
}

impl Retention {
    /// Data before the returned moment may go; both in microseconds since 1970.
    pub(crate) fn before(self, now: i64) -> i64 {
        now - i64::from(self.days) * DAY
    }
}
