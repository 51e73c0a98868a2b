//! A moment at which an event is to be made.

use crate::subscription::Fire;
use filter::Value;
use std::collections::BTreeMap;

/// Why an event is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// It became true, and stayed so.
    Rise,
    /// It is no longer true, or a quiet device is back.
    Fall,
    /// Its value is another.
    Change,
    /// It is true.
    Each,
    /// No reading came.
    Quiet,
}

impl Kind {
    /// Its name in SQL and in types of events.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rise => "rise",
            Self::Fall => "fall",
            Self::Change => "change",
            Self::Each => "each",
            Self::Quiet => "quiet",
        }
    }

    /// What has this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let all = [Self::Rise, Self::Fall, Self::Change, Self::Each, Self::Quiet];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// The kinds of events that a subscription makes.
    pub(crate) fn all_of(fire: Fire) -> &'static [Self] {
        match fire {
            Fire::Rise => &[Self::Rise],
            Fire::Fall => &[Self::Fall],
            Fire::Both => &[Self::Rise, Self::Fall],
            Fire::Change => &[Self::Change],
            Fire::Each => &[Self::Each],
            Fire::Quiet => &[Self::Quiet, Self::Fall],
        }
    }
}

/// A moment at which an event is to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Firing {
    /// Why.
    pub(crate) kind: Kind,
    /// Microseconds since 1970.
    pub(crate) moment: i64,
    /// The result at the moment.
    pub(crate) state: Value,
    /// When its run began; for a fall, when what has ended began.
    pub(crate) since: i64,
    /// What the sensors said, as far as they had a value.
    pub(crate) values: BTreeMap<String, f64>,
}
