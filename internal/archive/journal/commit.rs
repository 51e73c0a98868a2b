//! Brings the dump of a day's journal up to date, and deletes every other file of it.
//!
//! A dumper claims a revision, writes its data, and replaces the manifest only if it is still the one it knows, as with
//! readings. Then it deletes the files below its revision. Those cannot come into force any more: a slower dumper that
//! writes one knows an older manifest.
//!
//! A file above the revision in force is of a dumper that works, or died. To delete it at once would be wrong: its
//! dumper may be about to name it. So the day is written again, above it. From then on that dumper cannot put it in
//! force, and it is below.

use super::files::File;
use super::manifest::Manifest;
use super::merge::{self, Written};
use super::outcome::Outcome;
use super::read::{Reader, manifest_and_version};
use crate::Day;
use crate::claim::claim;
use crate::manifest::Names;
use crate::postgres::JournalSnapshot;
use ::postgres::Pool;
use anyhow::{Context, bail};
use blob::{Store, Version};
use bytes::Bytes;
use std::collections::BTreeSet;

/// How often to start over because other dumpers were faster. Each time one of them made progress.
const TRIES: usize = 10;

/// Writes a new revision of a day's journal, unless the one in force holds this version of it. `files` are those that
/// the store has of it.
pub(super) async fn commit(store: &Store, pool: &Pool, day: Day, files: &[File]) -> anyhow::Result<Outcome> {
    for _ in 0..TRIES {
        let outcome = match Attempt::begin(store, pool, day, files).await? {
            Step::Done(outcome) => Some(outcome),
            Step::Claimed(attempt) => attempt.finish().await?,
            Step::Overtaken => None,
        };
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
    }
    bail!("other dumpers of the journal of {day} were faster {TRIES} times in a row; run fewer of them at once")
}

/// A try to bring a day's journal up to date, which has the number of its revision.
pub(super) struct Attempt<'a> {
    store: &'a Store,
    names: Names,
    files: &'a [File],
    /// The dump in force when it began.
    current: Option<(Manifest, Version)>,
    /// The day as it stood right after that, and its version.
    snapshot: JournalSnapshot,
    day_version: String,
    /// The first number that was not seen to be taken.
    lowest: u64,
    revision: u64,
}

/// Where an attempt stands once it looked at the dump in force.
pub(super) enum Step<'a> {
    /// There is nothing to write.
    Done(Outcome),
    Claimed(Box<Attempt<'a>>),
    /// Another dumper was faster.
    Overtaken,
}

impl<'a> Attempt<'a> {
    pub(super) async fn begin(store: &'a Store, pool: &Pool, day: Day, files: &'a [File]) -> anyhow::Result<Step<'a>> {
        let names = Names::journal(day);
        let current = manifest_and_version(store, day).await?;
        let snapshot = JournalSnapshot::begin(pool, day).await?;
        let in_force = current.as_ref().map_or(0, |(manifest, _)| manifest.revision);
        if let Some((manifest, _)) = &current {
            let is_current = match &snapshot.version {
                Some(version) => {
                    manifest.day_version == *version
                        && is_there(store, manifest).await?
                        && !has_data_above(store, names, files, in_force).await?
                }
                // The entries are another database's.
                None => true,
            };
            if is_current {
                clear(store, names, files, in_force).await?;
                return Ok(Step::Done(Outcome::Unchanged(manifest.clone())));
            }
        }
        let Some(day_version) = snapshot.version.clone() else {
            return Ok(Step::Done(Outcome::Nothing));
        };
        let above = files.iter().copied().map(File::revision).fold(in_force, u64::max);
        Ok(match claim(store, names, above).await? {
            Some(revision) => Step::Claimed(Box::new(Self {
                store,
                names,
                files,
                current,
                snapshot,
                day_version,
                lowest: above + 1,
                revision,
            })),
            None => Step::Overtaken,
        })
    }

    /// Writes the revision, puts it in force and deletes the others; nothing where another dumper was faster.
    async fn finish(&self) -> anyhow::Result<Option<Outcome>> {
        let written = self.write().await;
        // A dumper deletes what it replaces.
        if written.is_err() && manifest_and_version(self.store, self.names.day).await? != self.current {
            return Ok(None);
        }
        let ours = written?;
        if !self.publish(&ours).await? {
            self.withdraw(&ours).await?;
            return Ok(None);
        }
        self.clear().await?;
        Ok(Some(Outcome::Written(ours)))
    }

    /// Writes the data, and returns the manifest that is to name it.
    pub(super) async fn write(&self) -> anyhow::Result<Manifest> {
        let Self {
            store, names, revision, ..
        } = self;
        let file = names.data(*revision);
        let mut writer = store.writer(&file).await.context("start the upload")?;
        let (packed, written) = match self.write_to(&mut writer).await {
            Ok(written) => written,
            Err(error) => {
                // What stays where this fails is harmless, and its number is not used again.
                if writer.abort().await.is_ok() {
                    let _ = store.delete(&names.claim(*revision)).await;
                }
                return Err(error);
            }
        };
        writer.finish().await.context("finish the upload")?;
        let Written { entries, span } = written;
        Ok(Manifest {
            date: names.day,
            revision: *revision,
            entries,
            first_timestamp: span.map(|(first, _)| first.to_string()),
            last_timestamp: span.map(|(_, last)| last.to_string()),
            bytes: packed.bytes,
            sha256: packed.sha256,
            day_version: self.day_version.clone(),
            format: Manifest::FORMAT.to_owned(),
            schema_version: Manifest::SCHEMA_VERSION,
            file,
        })
    }

    async fn write_to(&self, writer: &mut blob::Writer) -> anyhow::Result<(crate::pack::File, Written)> {
        let Some((manifest, _)) = &self.current else {
            return merge::write(&self.snapshot, None, writer).await;
        };
        let merged = async {
            let base = Reader::open(self.store, manifest).await?;
            merge::write(&self.snapshot, Some(base), writer).await
        };
        merged.await.with_context(|| {
            format!(
                "merge with {}, which may hold entries that the database has not; if it has them all, move {} away and dump the day again",
                manifest.file,
                self.names.manifest()
            )
        })
    }

    /// Puts a manifest in force in the place of the one that was read before, or of none; says whether that was still
    /// so. After an error it may be in force or not, so that nothing of it may be deleted.
    pub(super) async fn publish(&self, ours: &Manifest) -> anyhow::Result<bool> {
        let bytes = Bytes::from(serde_json::to_vec(ours).context("write the manifest")?);
        let former = self.current.as_ref().map(|(_, version)| version);
        let replaced = self.store.replace(&self.names.manifest(), bytes, former).await;
        // The answer to the request may have been lost, and its repetition refused.
        Ok(replaced.context("write the manifest")?
            || manifest_and_version(self.store, self.names.day)
                .await?
                .is_some_and(|(now, _)| now.file == ours.file))
    }

    /// Deletes a revision that did not come into force. The claim goes last: while it exists, no dumper writes under
    /// the number.
    async fn withdraw(&self, ours: &Manifest) -> anyhow::Result<()> {
        let Self { store, names, .. } = self;
        store.delete(&ours.file).await.context("delete the superseded dump")?;
        let claim = names.claim(self.revision);
        store.delete(&claim).await.context("delete the claim")
    }

    /// Deletes what is below the revision, which is in force, and its claim.
    async fn clear(&self) -> anyhow::Result<()> {
        let Self { store, names, .. } = self;
        let former = self.current.as_ref().map(|(manifest, _)| manifest.revision);
        // Those that were passed over are claimed, and may have been written meanwhile.
        let passed_over = self.lowest..self.revision;
        let listed = self.files.iter().copied().map(File::revision);
        let below: BTreeSet<u64> = former.into_iter().chain(listed).chain(passed_over).collect();
        for revision in below {
            let data = names.data(revision);
            store.delete_for_good(&data).await.context("delete a former dump")?;
            let claim = names.claim(revision);
            store
                .delete(&claim)
                .await
                .context("delete the claim of a former dump")?;
        }
        let claim = names.claim(self.revision);
        store.delete(&claim).await.context("delete the claim")
    }
}

/// Whether the data that the manifest names is there.
async fn is_there(store: &Store, manifest: &Manifest) -> anyhow::Result<bool> {
    let data = store.head(&manifest.file).await.context("look up the dump")?;
    Ok(data.is_some_and(|data| data.size == manifest.bytes))
}

/// Whether there still is data above the revision in force.
async fn has_data_above(store: &Store, names: Names, files: &[File], in_force: u64) -> anyhow::Result<bool> {
    for file in files {
        if let File::Data(revision) = *file
            && revision > in_force
        {
            let data = store.head(&names.data(revision)).await.context("look up a dump")?;
            if data.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Deletes the files that a crash left below the revision in force, and its claim.
async fn clear(store: &Store, names: Names, files: &[File], in_force: u64) -> anyhow::Result<()> {
    for file in files {
        let (revision, is_claim) = match *file {
            File::Data(revision) => (revision, false),
            File::Claim(revision) => (revision, true),
        };
        if revision < in_force {
            // A claim may be of a dumper that was killed while it wrote: what it wrote is no file yet.
            let data = names.data(revision);
            store.delete_for_good(&data).await.context("delete a former dump")?;
        }
        if is_claim && revision <= in_force {
            let claim = names.claim(revision);
            store
                .delete(&claim)
                .await
                .context("delete the claim of a former dump")?;
        }
    }
    Ok(())
}
