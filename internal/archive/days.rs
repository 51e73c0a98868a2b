//! A range of UTC days, and its days with a dump.

use super::Day;
use anyhow::Context;
use blob::Store;
use futures_util::TryStreamExt;
use std::collections::BTreeSet;
use std::pin::pin;

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
        self.with(".manifest.json", store).await
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
            let day = meta.name.strip_suffix(ending).and_then(|day| day.parse().ok());
            found.extend(day.filter(|day| self.contains(*day)));
        }
        Ok(found)
    }
}
