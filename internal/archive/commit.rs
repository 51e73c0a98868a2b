//! Brings a day's dump up to date. However many dumpers do so at once, and wherever they die, the manifest
//! names one whole revision, which holds all that every earlier revision held.
//!
//! A dump carries an id, and the database that it was written from records it. A dump in force without a
//! record is of another database, or of this one before it was set back to an older state: its readings
//! are merged into the next revision.
//!
//! A dumper claims a revision's number by making its claim file, which only one can; writes the
//! data under that number; and replaces the manifest only if it is still the one it knows. The
//! stable name is a copy made after that, repeated until the manifest read after the copy is the
//! one copied. What a crash leaves behind is a number that is never used, or a copy that is
//! missing or old, which the next dump of the day repairs.

use super::claim::claim;
use super::manifest::{Manifest, Names};
use super::postgres::{DaySnapshot, DumpRecord, OfDay};
use super::read::{self, ReadError, manifest_and_version};
use super::{Day, Outcome};
use anyhow::{Context, bail};
use blob::{Store, Version};
use bytes::Bytes;
use uuid::Uuid;

/// How often to start over because other dumpers were faster. Each time one of them made progress.
const TRIES: usize = 10;

/// So many dumps that a dump is based on are remembered. A database that was set back further than
/// that no longer tells them from those of another.
const LINEAGE: usize = 100;

/// Writes a new revision of a day's dump, unless the one in force holds this version of the day.
pub(super) async fn commit(store: &Store, source: &OfDay<'_>) -> anyhow::Result<Outcome> {
    for _ in 0..TRIES {
        let outcome = match Attempt::begin(store, source).await?.claim().await? {
            Step::Done(outcome) => Some(outcome),
            Step::Claimed(claimed) => claimed.publish().await?,
            Step::Overtaken => None,
        };
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
    }
    bail!(
        "other dumpers of {} were faster {TRIES} times in a row; run fewer of them at once",
        source.day
    )
}

/// A try to bring a day's dump up to date.
struct Attempt<'a> {
    store: &'a Store,
    source: &'a OfDay<'a>,
    /// The dump in force when it began.
    current: Option<(Manifest, Version)>,
    /// The day as it stood right after that.
    content: DaySnapshot,
}

/// Where an attempt stands once it looked at the dump in force.
#[expect(clippy::large_enum_variant, reason = "there is one for each attempt")]
enum Step<'a> {
    /// The dump in force is up to date.
    Done(Outcome),
    Claimed(Claimed<'a>),
    /// Another dumper was faster.
    Overtaken,
}

/// An attempt that has the number of its revision.
struct Claimed<'a> {
    attempt: Attempt<'a>,
    revision: u64,
    /// The revision also holds the readings of the dump in force.
    merges: bool,
}

impl<'a> Attempt<'a> {
    async fn begin(store: &'a Store, source: &'a OfDay<'a>) -> anyhow::Result<Self> {
        let current = in_force(store, source.day).await?;
        let content = source.snapshot(current.as_ref().map(|(manifest, _)| manifest)).await?;
        Ok(Self {
            store,
            source,
            current,
            content,
        })
    }

    async fn claim(self) -> anyhow::Result<Step<'a>> {
        let (store, day, content) = (self.store, self.source.day, &self.content);
        if let Some((manifest, _)) = &self.current
            && content.record.is_some_and(|record| record.version == content.version)
            && is_there(store, manifest).await?
        {
            let copied = is_copied(store, manifest).await?;
            if copied || is_verified(store, manifest).await? {
                if !copied {
                    copy(store, manifest).await?;
                }
                return Ok(Step::Done(Outcome::Unchanged(manifest.clone())));
            }
        }
        let merges = match based_on(store, day, self.current.as_ref(), content).await? {
            Based::Nothing => false,
            Based::InForce if self.current.is_some() => true,
            Based::InForce | Based::Moved => return Ok(Step::Overtaken),
        };
        let above = self.current.as_ref().map_or(0, |(manifest, _)| manifest.revision);
        Ok(match claim(store, Names::readings(day), above).await? {
            Some(revision) => Step::Claimed(Claimed {
                attempt: self,
                revision,
                merges,
            }),
            None => Step::Overtaken,
        })
    }
}

impl Claimed<'_> {
    /// Writes the revision and puts it in force; nothing where another dumper was faster.
    async fn publish(self) -> anyhow::Result<Option<Outcome>> {
        let Self {
            attempt,
            revision,
            merges,
        } = self;
        let Attempt {
            store,
            source,
            current,
            content,
        } = attempt;
        let day = source.day;
        let id = Uuid::new_v4();
        let in_force = current.as_ref().map(|(manifest, _)| (store, manifest));
        let (ours, whole, writer) = write(store, day, revision, id, in_force.filter(|_| merges), content).await?;
        let record = DumpRecord {
            version: ours.day_version,
            whole,
        };
        if let Some((manifest, version)) = &current
            && (manifest.bytes, &manifest.sha256) == (ours.bytes, &ours.sha256)
            && is_verified(store, manifest).await?
        {
            give_up(store, day, revision, writer).await;
            let renewed = Manifest {
                id: Some(id),
                day_version: ours.day_version,
                based_on: lineage(manifest),
                ..manifest.clone()
            };
            source.record(id, record).await?;
            let is_in_force = renew(store, &renewed, version).await?;
            return Ok(is_in_force.then_some(Outcome::Unchanged(renewed)));
        }
        // A failure here leaves open whether the data has been or will be written: the claim stays,
        // so that the number is never used again.
        writer.finish().await.context("finish the upload")?;
        // Before the manifest: of a dump in force without a record, the database could not tell what it
        // holds.
        if let Err(error) = source.record(id, record).await {
            // No manifest names it.
            if let Err(error) = withdraw(store, &ours).await {
                tracing::warn!(%day, error = format!("{error:#}"), "could not delete a dump that was not recorded");
            }
            return Err(error);
        }
        if publish(store, &ours, current.as_ref().map(|(_, version)| version)).await? {
            copy(store, &ours).await?;
            store
                .delete(&Names::readings(day).claim(revision))
                .await
                .context("delete the claim")?;
            return Ok(Some(Outcome::Written(ours)));
        }
        withdraw(store, &ours).await?;
        Ok(None)
    }
}

/// Whether a day has to be dumped whose present version is in the dumps with these ids: its dump is
/// another one or not there, or its copy is not.
pub(super) async fn is_due(store: &Store, day: Day, fresh: &[Uuid]) -> anyhow::Result<bool> {
    let Some((manifest, _)) = in_force(store, day).await? else {
        return Ok(true);
    };
    let is_fresh = manifest.id.is_some_and(|id| fresh.contains(&id));
    Ok(!is_fresh || !is_copied(store, &manifest).await?)
}

/// What a new revision consists of beside what the database has.
enum Based {
    Nothing,
    /// The dump in force.
    InForce,
    /// The dump in force is another one by now.
    Moved,
}

/// Readings that were dropped from the database are only in the dump in force. Where the database has no
/// record of that dump, or had not all of it, the dump may be the only place of its readings, too.
async fn based_on(
    store: &Store,
    day: Day,
    current: Option<&(Manifest, Version)>,
    content: &DaySnapshot,
) -> anyhow::Result<Based> {
    let Some(dropped) = content.dropped else {
        let has_all = content.record.is_some_and(|record| record.whole);
        return Ok(if current.is_none() || has_all {
            Based::Nothing
        } else {
            Based::InForce
        });
    };
    // Between reading the manifest and freezing the day, it may have been dumped and dropped.
    // From the freezing on it cannot be dropped.
    let now = in_force(store, day).await?;
    if now.as_ref() != current {
        return Ok(Based::Moved);
    }
    match content.held {
        Some(version) if version >= dropped => Ok(Based::InForce),
        held => bail!(
            "the readings of {day} were dropped from the database once their version {dropped} was dumped, and this store has {}; use the store that dump is in, or bring it here",
            match (now, held) {
                (None, _) => "no dump of that day".to_owned(),
                (_, None) => "a dump of another database".to_owned(),
                (_, Some(version)) => format!("only version {version}"),
            }
        ),
    }
}

/// The manifest in force and which state of it was read.
async fn in_force(store: &Store, day: Day) -> anyhow::Result<Option<(Manifest, Version)>> {
    Ok(manifest_and_version(store, day).await?)
}

/// Whether the data that the manifest names is there.
async fn is_there(store: &Store, manifest: &Manifest) -> anyhow::Result<bool> {
    let data = store.head(&manifest.file).await.context("look up the dump")?;
    Ok(data.is_some_and(|data| data.size == manifest.bytes))
}

/// Whether the data is as its manifest says, read from end to end: a damaged file must not be copied
/// over a good one.
async fn is_verified(store: &Store, manifest: &Manifest) -> anyhow::Result<bool> {
    match read::verify(store, manifest).await {
        Ok(()) => Ok(true),
        Err(ReadError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::warn!(day = %manifest.date, %error, "the dump in force is damaged; writing the day again");
            Ok(false)
        }
    }
}

/// Whether the stable name holds the revision in force, as far as one can tell without reading it.
async fn is_copied(store: &Store, manifest: &Manifest) -> anyhow::Result<bool> {
    let data = store.head(&manifest.file).await.context("look up the dump")?;
    let copy = store
        .head(&Names::readings(manifest.date).stable())
        .await
        .context("look up the dump's copy")?;
    Ok(data
        .zip(copy)
        .is_some_and(|(data, copy)| copy.size == data.size && copy.modified >= data.modified))
}

/// The dumps that one built upon this one holds: this one, and those that it holds itself, the latest
/// first.
fn lineage(of: &Manifest) -> Vec<Uuid> {
    of.id.iter().chain(&of.based_on).copied().take(LINEAGE).collect()
}

/// Writes a revision, but for finishing its upload; says as well whether the database has every
/// reading of it.
async fn write(
    store: &Store,
    day: Day,
    revision: u64,
    id: Uuid,
    base: Option<(&Store, &Manifest)>,
    content: DaySnapshot,
) -> anyhow::Result<(Manifest, bool, blob::Writer)> {
    let file = Names::readings(day).data(revision);
    let day_version = content.version;
    let mut writer = store.writer(&file).await.context("start the upload")?;
    let (written, whole) = match content.write(base, &mut writer).await {
        Ok(written) => written,
        Err(error) => {
            give_up(store, day, revision, writer).await;
            return Err(match base {
                Some((_, base)) => error.context(format!(
                    "merge with {}, which may hold readings that the database has not",
                    base.file
                )),
                None => error,
            });
        }
    };
    let manifest = Manifest {
        date: day,
        id: Some(id),
        based_on: base.map(|(_, base)| lineage(base)).unwrap_or_default(),
        revision,
        readings: written.readings,
        devices: written.devices,
        first_timestamp: written.first_timestamp,
        last_timestamp: written.last_timestamp,
        bytes: written.bytes,
        sha256: written.sha256,
        day_version,
        format: Manifest::FORMAT.to_owned(),
        schema_version: Manifest::SCHEMA_VERSION,
        file,
    };
    Ok((manifest, whole, writer))
}

/// Leaves a revision unwritten. What stays where this fails is harmless, and its number is not used
/// again.
async fn give_up(store: &Store, day: Day, revision: u64, writer: blob::Writer) {
    if writer.abort().await.is_ok() {
        let _ = store.delete(&Names::readings(day).claim(revision)).await;
    }
}

/// Puts the manifest in force in the place of its own former self: the same file, of a later version
/// of the day. Says whether it was still in force.
async fn renew(store: &Store, manifest: &Manifest, former: &Version) -> anyhow::Result<bool> {
    let bytes = Bytes::from(serde_json::to_vec(manifest).context("write the manifest")?);
    let name = Names::readings(manifest.date).manifest();
    let renewed = store.replace(&name, bytes, Some(former)).await;
    if renewed.context("write the manifest")? && !is_copied(store, manifest).await? {
        copy(store, manifest).await?;
    }
    let now = in_force(store, manifest.date).await?;
    Ok(now.is_some_and(|(now, _)| now == *manifest))
}

/// Puts a manifest in force in the place of the one that was read before, or of none; says whether
/// that was still so. After an error it may be in force or not, so that nothing of it may be deleted.
async fn publish(store: &Store, ours: &Manifest, former: Option<&Version>) -> anyhow::Result<bool> {
    let bytes = Bytes::from(serde_json::to_vec(ours).context("write the manifest")?);
    let name = Names::readings(ours.date).manifest();
    let replaced = store
        .replace(&name, bytes, former)
        .await
        .context("write the manifest")?;
    // The answer to the request may have been lost, and its repetition refused. By its file, since
    // another dumper may have renewed the manifest already.
    Ok(replaced
        || in_force(store, ours.date)
            .await?
            .is_some_and(|(now, _)| now.file == ours.file))
}

/// Copies the revision in force to the stable name. Two dumpers copy at once where one commits
/// while the other copies: the slower copy may be the older one, but then its own look at the
/// manifest tells it to copy again.
async fn copy(store: &Store, manifest: &Manifest) -> anyhow::Result<()> {
    let stable = Names::readings(manifest.date).stable();
    let mut copied = manifest.clone();
    for _ in 0..TRIES {
        store
            .copy(&copied.file, &stable)
            .await
            .context("copy the dump to its stable name")?;
        match in_force(store, copied.date).await? {
            Some((now, _)) if now.revision != copied.revision => copied = now,
            _ => return Ok(()),
        }
    }
    bail!(
        "{} was replaced {TRIES} times while it was being copied; run fewer dumpers at once",
        copied.file
    )
}

/// Deletes a revision that did not come into force. The claim goes last: while it exists, no dumper
/// writes under the number.
async fn withdraw(store: &Store, ours: &Manifest) -> anyhow::Result<()> {
    store.delete(&ours.file).await.context("delete the superseded dump")?;
    store
        .delete(&Names::readings(ours.date).claim(ours.revision))
        .await
        .context("delete the claim")
}

#[cfg(test)]
mod tests;
