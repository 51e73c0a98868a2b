//! Positions in the history of a database: the ids of events.

use ::postgres::Snapshot;
use std::fmt;

/// Most bytes of a position; a longer one is unknown.
const LONGEST: usize = 16 * 1024;

/// Which transactions have been seen, of which database. It is written as
/// `SYSTEM-TIMELINE-TABLE-XMIN:XMAX:XIP,XIP`.
///
/// Numbers of transactions are not in the order of commits. So a position is a snapshot of PostgreSQL: it names the
/// transactions that had begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The server's id, its timeline, and the number of its table of readings. A restore from a text changes the first
    /// or the last; a recovery to an earlier point changes the timeline alone, and gives numbers of transactions again.
    origin: (u64, u64, u64),
    snapshot: Snapshot,
}

impl Position {
    /// Parses what a client or the database says; none if it is no position.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut parts = text.splitn(4, '-');
        let origin = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
        let snapshot = Snapshot::parse(parts.next()?)?;
        Some(Self { origin, snapshot })
    }

    /// What it has not seen, as PostgreSQL reads it: all transactions from the first number on, and these below it.
    pub(super) fn unseen(&self) -> (String, Vec<String>) {
        let running = self.snapshot.running().iter().map(u64::to_string).collect();
        (self.snapshot.xmax().to_string(), running)
    }

    /// Whether a database that is at `now` has been at this position.
    pub(super) fn is_known_at(&self, now: &Self) -> bool {
        self.origin == now.origin && self.snapshot.xmax() <= now.snapshot.xmax()
    }

    /// The position of this snapshot in the same database; none if it is no snapshot.
    pub(super) fn at(&self, snapshot: &str) -> Option<Self> {
        let snapshot = Snapshot::parse(snapshot)?;
        Some(Self {
            origin: self.origin,
            snapshot,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (system, timeline, table) = self.origin;
        write!(f, "{system}-{timeline}-{table}-{}", self.snapshot)
    }
}

/// Digits only: the standard parser takes a sign as well.
fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        for text in ["1-1-2-3:3:", "7400000000000000000-3-16400-100:120:103,105"] {
            assert_eq!(Position::parse(text).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "1-2",
            "1-1-2-3",
            "1-1-2-3:2:",
            "1-1-2-0:2:",
            "1-1-2-3:5:5",
            "1-1-2-3:5:2",
            "1-1-2-3:5:4,3",
            "1-1-2-3:5:3,3",
            "1-1-2-3:5:3,",
            "1-1-2-+3:5:",
            "x-1-2-3:5:",
            "1-x-2-3:5:",
            // Without a timeline, as ids once were.
            "1-2-3:5:",
            "7400000000000000000-16400-100:120:103,105",
            "1-1-2-3:99999999999999999999:",
            "1-1-2-3:5:'",
        ] {
            assert_eq!(Position::parse(wrong), None, "{wrong}");
        }
        let long = format!("1-1-2-1:2:{}", "1".repeat(LONGEST));
        assert_eq!(Position::parse(&long), None);
    }

    #[test]
    fn a_position_is_known_where_it_has_been() {
        let at = |text| Position::parse(text).unwrap();
        let now = at("1-4-2-10:12:");
        for (text, expected) in [
            ("1-4-2-10:12:", true),
            ("1-4-2-3:5:4", true),
            ("1-4-2-3:13:", false),
            ("1-4-3-3:5:", false),
            ("2-4-2-3:5:", false),
            // Of before a recovery to an earlier point, and of after one that this database has not had.
            ("1-3-2-3:5:", false),
            ("1-5-2-3:5:", false),
        ] {
            assert_eq!(at(text).is_known_at(&now), expected, "{text}");
        }
        assert_eq!(now.at("20:20:").unwrap().to_string(), "1-4-2-20:20:");
        assert_eq!(now.unseen(), ("12".to_owned(), Vec::new()));
        let running = vec!["3".to_owned(), "4".to_owned()];
        assert_eq!(at("1-4-2-3:6:3,4").unseen(), ("6".to_owned(), running));
    }
}
