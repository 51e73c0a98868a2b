//! A day whose readings are unreliable.

/// Why a source has no reliable readings of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damaged(pub(super) String);
