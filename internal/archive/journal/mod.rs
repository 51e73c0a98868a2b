//! The journal of a UTC day as a file, beside the day's readings.
//!
//! A day's journal has a manifest of its own, and no copy under a stable name. Its lines are the entries that are
//! there, in order of their ids ([`entry::Record`]).
//!
//! The manifest holds the version of the day's entries: a count and a sum of hashes over their ids, edits and deletes
//! (`postgres/journal.rs`). A dump of another version is written again (`commit.rs`). So nothing has to be noted when
//! entries are written, and posts wait for nothing.
//!
//! A deleted post must be gone from the store. So a dumper deletes every other file of the day's journal once the new
//! manifest is in force; what a crash leaves, the next one finds by the list of the store (`files.rs`). Entries of which
//! the database has no row are another database's, and stay (`merge.rs`).

mod commit;
mod files;
mod manifest;
mod merge;
mod outcome;
pub(crate) mod read;
mod sweep;
#[cfg(test)]
mod tests;

pub use manifest::Manifest;
pub use outcome::Outcome;
