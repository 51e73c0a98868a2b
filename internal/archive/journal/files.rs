//! The files of the journal in a store, but for manifests.

use crate::Day;
use anyhow::Context;
use blob::Store;
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use std::pin::pin;

/// A file of a day's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// The data of this revision.
    Data(u64),
    /// The claim of this revision.
    Claim(u64),
}

impl File {
    pub(super) fn revision(self) -> u64 {
        match self {
            Self::Data(revision) | Self::Claim(revision) => revision,
        }
    }
}

/// Lists the files of this day, or of every day. Each day has one, but for what crashes left.
pub(super) async fn list(store: &Store, day: Option<Day>) -> anyhow::Result<BTreeMap<Day, Vec<File>>> {
    let prefix = day.map_or_else(String::new, |day| format!("{day}.journal."));
    let mut listed = pin!(store.list(&prefix));
    let mut found: BTreeMap<Day, Vec<File>> = BTreeMap::new();
    while let Some(meta) = listed.try_next().await.context("list the dumps")? {
        if let Some((day, file)) = parse(&meta.name) {
            found.entry(day).or_default().push(file);
        }
    }
    Ok(found)
}

fn parse(name: &str) -> Option<(Day, File)> {
    let (day, rest) = name.split_once(".journal.r")?;
    let (revision, kind) = rest.split_once('.')?;
    let (day, revision) = (day.parse().ok()?, revision.parse().ok()?);
    match kind {
        "json.gz" => Some((day, File::Data(revision))),
        "claim" => Some((day, File::Claim(revision))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Names;

    #[test]
    fn names_are_read_as_they_are_written() {
        let day: Day = "2017-06-03".parse().unwrap();
        let names = Names::journal(day);
        assert_eq!(parse(&names.data(12)), Some((day, File::Data(12))));
        assert_eq!(parse(&names.claim(3)), Some((day, File::Claim(3))));
        let readings = Names::readings(day);
        for name in [names.manifest(), readings.data(1), readings.claim(1), readings.stable()] {
            assert_eq!(parse(&name), None, "{name}");
        }
    }
}
