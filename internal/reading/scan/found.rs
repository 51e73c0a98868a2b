//! A token of a body, as it is found.

use std::ops::Range;

/// A found token: its line number, its kind, and the place of its bytes.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Line { part: bool },
    Value { ordinal: u64 },
    TooLong { ordinal: Option<u64>, wraps: bool },
    Within { ordinal: u64 },
    Syntax,
}

#[derive(Debug)]
pub(super) enum Place {
    /// In the given bytes.
    Here(Range<usize>),
    /// In the kept bytes, from their beginning.
    Kept(usize),
}
