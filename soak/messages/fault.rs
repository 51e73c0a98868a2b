//! Faults of servers of messages, of their PostgreSQL, and of the connections between them.

use crate::chance::Chance;
use crate::fault::{TROUBLES, Trouble};
use std::time::Duration;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    KillServer,
    /// kill -9 while PostgreSQL does not answer, with puts that are not committed yet.
    KillInTheMiddle,
    /// SIGSTOP, and SIGCONT after a while: it keeps its transactions open meanwhile.
    StopServer,
    EndServer,
    KillPostgres,
    /// An immediate shutdown: sessions are broken off, and the next start recovers.
    BreakPostgres,
    StopPostgres,
    EndPostgres,
    /// Of the connections from clients to a server.
    Front(Trouble),
    /// Of the connections from a server to PostgreSQL.
    Back(Trouble),
    /// kill -9 of everything at once.
    PowerCut,
}

/// A fault with its random properties.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    pub(super) fault: Fault,
    /// Which server, or how severe.
    pub(super) which: u64,
    pub(super) hold: Duration,
}

impl Drawn {
    /// Draws the properties of a fault.
    pub(super) fn of(fault: Fault, chance: &mut Chance) -> Self {
        // Short beside a retention: what is not put for long leaves little to look at.
        let millis = if chance.percent(15) {
            2_000 + chance.below(2_000)
        } else {
            100 + chance.below(1_500)
        };
        Self {
            fault,
            which: chance.below(1 << 32),
            hold: Duration::from_millis(millis),
        }
    }
}

/// The kinds of a round, in the order of this round.
pub(super) fn round(chance: &mut Chance) -> Vec<Fault> {
    let mut kinds = vec![
        Fault::KillServer,
        Fault::KillServer,
        Fault::KillServer,
        Fault::KillInTheMiddle,
        Fault::KillInTheMiddle,
        Fault::StopServer,
        Fault::EndServer,
        Fault::KillPostgres,
        Fault::KillPostgres,
        Fault::BreakPostgres,
        Fault::BreakPostgres,
        Fault::StopPostgres,
        Fault::EndPostgres,
        Fault::PowerCut,
    ];
    kinds.extend(TROUBLES.map(Fault::Front));
    kinds.extend(TROUBLES.map(Fault::Back));
    chance.shuffle(&mut kinds);
    kinds
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::KillServer => f.write_str("kill -9 of a server"),
            Self::KillInTheMiddle => f.write_str("kill -9 of a server while PostgreSQL is stopped"),
            Self::StopServer => f.write_str("a server stopped and continued"),
            Self::EndServer => f.write_str("a server ended and started"),
            Self::KillPostgres => f.write_str("kill -9 of PostgreSQL"),
            Self::BreakPostgres => f.write_str("PostgreSQL shut down at once and started"),
            Self::StopPostgres => f.write_str("PostgreSQL stopped and continued"),
            Self::EndPostgres => f.write_str("PostgreSQL ended and started"),
            Self::Front(trouble) => write!(f, "connections to a server {trouble}"),
            Self::Back(trouble) => write!(f, "connections of a server to PostgreSQL {trouble}"),
            Self::PowerCut => f.write_str("kill -9 of everything at once"),
        }
    }
}
