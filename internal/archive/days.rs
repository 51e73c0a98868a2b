//! A range of UTC days, and its days with a dump.

use super::Day;
use anyhow::Context;
use blob::Store;
use futures_util::TryStreamExt;
use std::collections::BTreeSet;
use std::pin::pin;

/// The ending of the names of manifests of readings.
const MANIFEST: &str = ".manifest.json";

/// From one UTC day to another, both included; open at an end that is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    from: Option<Day>,
    to: Option<Day>,
}

impl Days {
    /// The days from `from` to `to`.
    ///
    /// # Errors
    /// Where `from` lies after `to`.
    pub fn new(from: Option<Day>, to: Option<Day>) -> anyhow::Result<Self> {
        if let (Some(from), Some(to)) = (from, to) {
            anyhow::ensure!(
                from <= to,
                "--from {from} is after --to {to}; name the earlier day first"
            );
        }
        Ok(Self { from, to })
    }

    /// The days before this one; without it, all of them.
    pub fn before(day: Option<Day>) -> Self {
        Self {
            from: None,
            to: day.map(Day::previous),
        }
    }

    /// Whether the range holds this day.
    pub fn contains(self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    pub(super) fn from(self) -> Option<Day> {
        self.from
    }

    pub(super) fn to(self) -> Option<Day> {
        self.to
    }

    /// The days of this range whose readings have a manifest in `store`.
    ///
    /// # Errors
    /// Where the store cannot be listed.
    pub async fn dumped(self, store: &Store) -> anyhow::Result<BTreeSet<Day>> {
        self.with(MANIFEST, store).await
    }

    /// The days of this range whose journal has a manifest in `store`.
    pub(super) async fn with_journal(self, store: &Store) -> anyhow::Result<BTreeSet<Day>> {
        self.with(".journal.manifest.json", store).await
    }

    /// The days of this range of which there is a file with this ending.
    async fn with(self, ending: &str, store: &Store) -> anyhow::Result<BTreeSet<Day>> {
        let mut listed = pin!(store.list(""));
        let mut found = BTreeSet::new();
        while let Some(meta) = listed.try_next().await.context("list the dumps")? {
            let day = of_file(&meta.name, ending);
            found.extend(day.filter(|day| self.contains(*day)));
        }
        Ok(found)
    }

    /// The latest days of this range that have a manifest in `store`, at most `most` of them, the latest first.
    ///
    /// The store lists all its files for that; the memory grows with `most` alone.
    ///
    /// # Errors
    /// Where the store cannot be listed.
    pub async fn latest(self, store: &Store, most: usize) -> Result<Vec<Day>, blob::Error> {
        let mut listed = pin!(store.list(""));
        let mut found = BTreeSet::new();
        while let Some(meta) = listed.try_next().await? {
            found.extend(of_file(&meta.name, MANIFEST).filter(|day| self.contains(*day)));
            if found.len() > most {
                found.pop_first();
            }
        }
        Ok(found.into_iter().rev().collect())
    }
}

/// The day whose file with this ending has this name.
fn of_file(name: &str, ending: &str) -> Option<Day> {
    name.strip_suffix(ending)?.parse().ok()
}
