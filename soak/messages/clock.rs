//! Time, as PostgreSQL and the clients read it.

use jiff::Timestamp;

/// How long the servers keep messages: the shortest time that they take. A week of theirs passes in a minute.
pub(super) const KEPT: &str = "1m";

/// A second, and [`KEPT`], in microseconds.
pub(super) const SECOND: i64 = 1_000_000;
pub(super) const RETENTION: i64 = 60 * SECOND;

/// How long an epoch takes messages.
pub(super) const EPOCH: i64 = RETENTION / 7;

/// How long a try may still come into effect after its client has left it: a server goes on with what it has begun.
/// Faults here hold a transaction up for some seconds.
pub(super) const PENDING: i64 = 40 * SECOND;

/// Now, in microseconds since 1970. PostgreSQL runs on the same machine and reads the same clock; each look at the disk
/// checks that.
pub(super) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// When a call was sent and answered, and how long its tries may have effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Took {
    /// Before the first try.
    pub(super) sent: i64,
    /// After the answer.
    pub(super) answered: i64,
    /// Until then, a try that was left without an answer may come into effect. 0 if each try was answered.
    pub(super) pending: i64,
}

impl Took {
    /// Of two calls that ask for the same: what either has done.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            sent: self.sent.min(other.sent),
            answered: self.answered.min(other.answered),
            pending: self.pending.max(other.pending),
        }
    }
}
