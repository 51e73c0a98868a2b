//! What a dump of a day's journal came to.

use super::manifest::Manifest;

/// Outcome of a dump of a day's journal, with the manifest in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The database has no entry of the day, and had none. Nothing was written.
    Nothing,
    /// The dumper wrote a new revision, and deleted the others.
    Written(Manifest),
    /// The dump was up to date.
    Unchanged(Manifest),
}
