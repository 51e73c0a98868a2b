//! Places in the caller's values that a filter reads.
//!
//! A filter's chain of fields (`a.b["c"][0]`) becomes one slot. So an evaluation converts only the value at the
//! chain's end, once, however often the filter reads it.

use std::fmt;

/// One place that a filter reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) root: Root,
    pub(crate) path: Vec<Segment>,
    /// Whether the filter asks only if the last field is there.
    pub(crate) presence: bool,
}

/// Where a slot begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Name(String),
    Key { map: String, key: String },
}

/// One step into JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Field(String),
    Index(usize),
}

impl Slot {
    /// The place as far as `segments` steps, as an error names it.
    pub(crate) fn place(&self, segments: usize) -> String {
        let mut place = match &self.root {
            Root::Name(name) => name.clone(),
            Root::Key { map, key } => format!("{map}[{key:?}]"),
        };
        for segment in &self.path[..segments] {
            place += &segment.to_string();
        }
        place
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => write!(to, ".{name}"),
            Self::Field(name) => write!(to, "[{name:?}]"),
            Self::Index(index) => write!(to, "[{index}]"),
        }
    }
}
