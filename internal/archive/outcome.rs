//! What a dump came to.

use crate::Manifest;

/// Outcome of a dump, with the manifest in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The dumper wrote a new revision.
    Written(Manifest),
    /// The dump was up to date already, or another dumper has just written it.
    Unchanged(Manifest),
}

impl Outcome {
    /// The manifest in force.
    pub fn manifest(&self) -> &Manifest {
        match self {
            Self::Written(manifest) | Self::Unchanged(manifest) => manifest,
        }
    }
}
