//! What became of a try.

use std::fmt;
use std::time::Duration;

/// What became of a try. Nothing here names an address, so all of it may be shown to the subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What to do next.
    pub outcome: Outcome,
    /// The status that the endpoint answered with.
    pub status: Option<u16>,
    /// The answer's first KiB as text; what is not UTF-8 is replaced, and so is NUL, which PostgreSQL
    /// does not store.
    pub body: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// What to do after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the endpoint answered 200 to 299.
    Delivered,
    /// Disable the subscription: the endpoint answered 410.
    Gone,
    /// Try again.
    Retry {
        /// Why.
        reason: Reason,
        /// What the endpoint asked for by `Retry-After`, a day at most.
        after: Option<Duration>,
    },
    /// Nothing was connected to, because the target is not permitted. Trying again helps only after the
    /// host's addresses or the allowed targets have changed.
    Refused(Reason),
}

/// Why a try failed, in words for the subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// An answer that is no success.
    Status(u16),
    /// The host's name has no address, or its name server failed.
    Unresolved,
    /// Name servers did not answer in time.
    SlowName,
    /// One of the host's addresses is not public.
    NotPublic,
    /// Plain `http` to a host that is not open.
    NotEncrypted,
    /// The host refuses connections at this port.
    Closed,
    /// The host's network cannot be reached.
    Unreachable,
    /// The connection was not set up in time.
    SlowConnection,
    /// No encrypted connection; the text says why.
    Tls(&'static str),
    /// The answer did not begin in time.
    SlowAnswer,
    /// The endpoint ended the connection before it answered.
    Lost,
    /// The answer's head is too large.
    LargeHead,
    /// The answer is not HTTP/1.
    NotHttp,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status @ 300..=399) => {
                return write!(
                    f,
                    "the endpoint answered {status}, a redirect, which is never followed: use its final address"
                );
            }
            Self::Status(status) => return write!(f, "the endpoint answered {status}"),
            Self::Unresolved => "the host's name cannot be resolved",
            Self::SlowName => "the host's name was not resolved in time",
            Self::NotPublic => "the host has an address that is not public",
            Self::NotEncrypted => "the target is http, and its host is not open for that",
            Self::Closed => "the host refuses connections",
            Self::Unreachable => "the host cannot be reached",
            Self::SlowConnection => "the connection was not set up in time",
            Self::Tls(why) => return write!(f, "no encrypted connection: {why}"),
            Self::SlowAnswer => "the endpoint did not answer in time",
            Self::Lost => "the endpoint ended the connection before it answered",
            Self::LargeHead => "the answer's head is larger than 32 KiB or has more than 100 headers",
            Self::NotHttp => "the answer is not HTTP/1.1",
        })
    }
}

impl Outcome {
    pub(crate) fn of(status: u16, after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Delivered,
            410 => Self::Gone,
            _ => Self::Retry {
                reason: Reason::Status(status),
                after,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides_what_to_do() {
        let after = Some(Duration::from_secs(9));
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(Outcome::of(status, after), Outcome::Delivered);
        }
        assert_eq!(Outcome::of(410, after), Outcome::Gone);
        for status in [101, 300, 301, 307, 400, 401, 404, 429, 500, 503, 599, 999] {
            let reason = Reason::Status(status);
            assert_eq!(Outcome::of(status, after), Outcome::Retry { reason, after });
        }
    }
}
