//! A fault: its kind, its random properties, and whether it had an effect.

use std::time::Duration;

/// A part of the system, with its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Ingestor,
    Persistor,
    Notifier,
    Nats,
    Postgres,
}

/// A connection between parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Nats,
    Postgres,
    Ingestor,
}

/// A fault of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Cut,
    Refuse,
    Delay,
    Slow,
    Hole,
    HalfOpen,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill(Part),
    /// kill -9 of a persistor or a notifier while PostgreSQL does not answer, or of an ingestor while nats-server
    /// does not: with readings that are not stored, or events that are not committed yet.
    KillInTheMiddle(Part),
    /// SIGSTOP, and SIGCONT after a while.
    Stop(Part),
    /// An orderly end by SIGTERM (PostgreSQL: a fast shutdown), and a start.
    End(Part),
    Network(Line, Trouble),
    StreamFull,
    DiskFull,
    ConsumersDropped,
    /// kill -9 of everything at once.
    PowerCut,
}

pub(crate) const PARTS: [Part; 5] = [
    Part::Ingestor,
    Part::Persistor,
    Part::Notifier,
    Part::Nats,
    Part::Postgres,
];
pub(crate) const LINES: [Line; 3] = [Line::Nats, Line::Postgres, Line::Ingestor];
pub(crate) const TROUBLES: [Trouble; 6] = [
    Trouble::Cut,
    Trouble::Refuse,
    Trouble::Delay,
    Trouble::Slow,
    Trouble::Hole,
    Trouble::HalfOpen,
];

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ingestor => "an ingestor",
            Self::Persistor => "a persistor",
            Self::Notifier => "a notifier",
            Self::Nats => "nats-server",
            Self::Postgres => "PostgreSQL",
        })
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cut => "cut",
            Self::Refuse => "refused",
            Self::Delay => "delayed",
            Self::Slow => "slow",
            Self::Hole => "silent both ways",
            Self::HalfOpen => "half open",
        })
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kill(part) => write!(f, "kill -9 of {part}"),
            Self::KillInTheMiddle(part) => write!(f, "kill -9 of {part} while its server is stopped"),
            Self::Stop(part) => write!(f, "{part} stopped and continued"),
            Self::End(part) => write!(f, "{part} ended and started"),
            Self::Network(line, trouble) => {
                let line = match line {
                    Line::Nats => "to nats-server",
                    Line::Postgres => "to PostgreSQL",
                    Line::Ingestor => "to an ingestor",
                };
                write!(f, "connections {line} {trouble}")
            }
            Self::StreamFull => f.write_str("the stream full"),
            Self::DiskFull => f.write_str("PostgreSQL's disk full"),
            Self::ConsumersDropped => f.write_str("the consumers deleted"),
            Self::PowerCut => f.write_str("kill -9 of everything at once"),
        }
    }
}

/// The random properties of a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) fault: Fault,
    /// Which of two twins, or how severe.
    pub(crate) which: u64,
    pub(crate) hold: Duration,
}

/// Whether a fault had an effect.
pub(crate) enum Felt {
    Yes,
    No(&'static str),
}
