//! The lanes of a bus.

/// One of a bus's two queues. Order is kept within a lane at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Small, urgent events.
    Live,
    /// Large uploads: events that fill their messages.
    Bulk,
}

impl Lane {
    /// The lane of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.name() == name)
    }

    /// Both lanes.
    pub const ALL: [Self; 2] = [Self::Live, Self::Bulk];

    /// `live` or `bulk`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bulk => "bulk",
        }
    }
}
