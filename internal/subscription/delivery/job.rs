//! The kinds of statements beside the tries, and what came of them.

use super::attempts::Row;
use super::flights::Stale;
use super::notes::Note;
use super::read::{Cursor, Loaded, Page, Start};
use super::save::Save;
use ::postgres::Error;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How often progress is stored, and everything looked at again.
pub(super) const SAVE: Duration = Duration::from_secs(5);

/// What is done beside the tries, one of each kind at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Start,
    Read,
    Redrive,
    Refresh,
    Write,
    Save,
    Note,
}

pub(super) const JOBS: [Job; 7] = [
    Job::Start,
    Job::Read,
    Job::Redrive,
    Job::Refresh,
    Job::Write,
    Job::Save,
    Job::Note,
];

/// What a job has done.
pub(super) enum Done {
    Started(Vec<(Uuid, u64)>, Result<Vec<Start>, Error>),
    Read(i64, Result<Vec<Page>, Error>),
    Redriven(Result<(Vec<Loaded>, Option<Cursor>), Error>),
    Refreshed(Vec<Stale>, Result<Vec<Option<Arc<str>>>, Error>),
    Written(Vec<Row>, BTreeSet<i64>, Result<(), Error>),
    Saved(Save, Result<Vec<(Uuid, i16, i64)>, Error>),
    Noted(Note, Result<(), Error>),
}
