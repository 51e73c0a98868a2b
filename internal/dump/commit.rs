//! Brings a day's dump up to date so that whoever else does the same, and wherever either of them
//! dies, the manifest names one whole revision.
//!
//! A dumper claims a revision's number by making its claim file, which only one can; writes the
//! data under that number; and replaces the manifest only if it is still the one it knows. The
//! stable name is a copy made after that, repeated until the manifest read after the copy is the
//! one copied. What a crash leaves behind is a number that is never used, or a copy that is
//! missing or old, which the next dump of the day repairs.

use super::manifest::{self, Manifest};
use super::read::manifest_and_version;
use super::write::Written;
use super::{Day, Outcome};
use anyhow::{Context, bail};
use blob::{Store, Version};
use bytes::Bytes;

/// How often to start over because others were faster. Each time somebody else has made progress.
const TRIES: usize = 10;

/// How many numbers that others have claimed to pass over.
const CLAIMED: u64 = 1000;

/// A day's readings, frozen.
pub(super) trait Content: Send {
    /// The day's version at that moment.
    fn version(&self) -> i64;

    /// Writes all of them into a blob, without finishing it.
    fn write(self, to: &mut blob::Writer) -> impl Future<Output = anyhow::Result<Written>> + Send;
}

/// Writes a new revision of a day's dump, unless the one in force holds this version of the day.
pub(super) async fn commit<C, F>(
    store: &Store,
    day: Day,
    freeze: impl Fn() -> F + Send + Sync,
) -> anyhow::Result<Outcome>
where
    C: Content,
    F: Future<Output = anyhow::Result<C>> + Send,
{
    for _ in 0..TRIES {
        let current = read(store, day).await?;
        let content = freeze().await?;
        if let Some((manifest, _)) = &current
            && manifest.day_version == content.version()
            && is_whole(store, manifest).await?
        {
            drop(content);
            if !is_copied(store, manifest).await? {
                copy(store, manifest).await?;
            }
            return Ok(Outcome::Unchanged(manifest.clone()));
        }
        let above = current.as_ref().map_or(0, |(manifest, _)| manifest.revision);
        let Some(revision) = claim(store, day, above).await? else {
            continue;
        };
        let ours = write(store, day, revision, content).await?;
        match publish(store, &ours, current).await? {
            Published::Ours => {
                copy(store, &ours).await?;
                store
                    .delete(&manifest::claim(day, revision))
                    .await
                    .context("delete the claim")?;
                return Ok(Outcome::Written(ours));
            }
            Published::Theirs(theirs) => {
                withdraw(store, &ours).await?;
                return Ok(Outcome::Unchanged(theirs));
            }
            Published::Overtaken => withdraw(store, &ours).await?,
        }
    }
    bail!("other dumpers of {day} were faster {TRIES} times in a row; run fewer of them at once")
}

/// The manifest in force and which state of it was read.
async fn read(store: &Store, day: Day) -> anyhow::Result<Option<(Manifest, Version)>> {
    Ok(manifest_and_version(store, day).await?)
}

/// Whether the data that the manifest names is there.
async fn is_whole(store: &Store, manifest: &Manifest) -> anyhow::Result<bool> {
    let data = store.head(&manifest.file).await.context("look up the dump")?;
    Ok(data.is_some_and(|data| data.size == manifest.bytes))
}

/// Whether the stable name holds the revision in force, as far as one can tell without reading it.
async fn is_copied(store: &Store, manifest: &Manifest) -> anyhow::Result<bool> {
    let data = store.head(&manifest.file).await.context("look up the dump")?;
    let copy = store
        .head(&manifest::stable(manifest.date))
        .await
        .context("look up the dump's copy")?;
    Ok(data
        .zip(copy)
        .is_some_and(|(data, copy)| copy.size == data.size && copy.modified >= data.modified))
}

/// Claims the first free number above the one in force; none where somebody has committed it
/// since, and with it freed its claim.
async fn claim(store: &Store, day: Day, above: u64) -> anyhow::Result<Option<u64>> {
    for revision in above + 1..=above + CLAIMED {
        let name = manifest::claim(day, revision);
        if !store.create(&name, Bytes::new()).await.context("claim a revision")? {
            continue;
        }
        let in_force = read(store, day).await?.map_or(0, |(manifest, _)| manifest.revision);
        if in_force >= revision {
            store.delete(&name).await.context("delete the claim")?;
            return Ok(None);
        }
        return Ok(Some(revision));
    }
    bail!("{CLAIMED} revisions of {day} are claimed and not written; delete {day}.r*.claim while no dumper runs")
}

async fn write<C: Content>(store: &Store, day: Day, revision: u64, content: C) -> anyhow::Result<Manifest> {
    let file = manifest::data(day, revision);
    let day_version = content.version();
    let mut writer = store.writer(&file).await.context("start the upload")?;
    let written = match content.write(&mut writer).await {
        Ok(written) => written,
        Err(error) => {
            // What happened is what to report. What stays where these fail, too, is harmless.
            if writer.abort().await.is_ok() {
                let _ = store.delete(&manifest::claim(day, revision)).await;
            }
            return Err(error);
        }
    };
    // A failure here leaves open whether the data has been or will be written: the claim stays, so
    // that the number is never used again.
    writer.finish().await.context("finish the upload")?;
    Ok(Manifest {
        date: day,
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
    })
}

enum Published {
    /// Ours is in force.
    Ours,
    /// Somebody else's is, and it is as fresh as ours or fresher.
    Theirs(Manifest),
    /// Somebody else's is; it is older than ours, but has the higher number.
    Overtaken,
}

/// Puts a manifest in force unless there is a better one. After an error it may be in force or
/// not, so that nothing of it may be deleted.
async fn publish(
    store: &Store,
    ours: &Manifest,
    mut current: Option<(Manifest, Version)>,
) -> anyhow::Result<Published> {
    let name = manifest::name(ours.date);
    let bytes = Bytes::from(serde_json::to_vec(ours).context("write the manifest")?);
    for _ in 0..TRIES {
        let expected = current.as_ref().map(|(_, version)| version);
        if store
            .replace(&name, bytes.clone(), expected)
            .await
            .context("write the manifest")?
        {
            return Ok(Published::Ours);
        }
        current = read(store, ours.date).await?;
        match &current {
            // The answer to the request was lost, and its repetition refused.
            Some((theirs, _)) if theirs == ours => return Ok(Published::Ours),
            Some((theirs, _)) if theirs.day_version >= ours.day_version => {
                return Ok(Published::Theirs(theirs.clone()));
            }
            Some((theirs, _)) if theirs.revision > ours.revision => return Ok(Published::Overtaken),
            _ => {}
        }
    }
    bail!("{name} changed {TRIES} times while it was being replaced; run fewer dumpers at once")
}

/// Copies the revision in force to the stable name. Two dumpers copy at once where one commits
/// while the other copies: the slower copy may be the older one, but then its own look at the
/// manifest tells it to copy again.
async fn copy(store: &Store, manifest: &Manifest) -> anyhow::Result<()> {
    let stable = manifest::stable(manifest.date);
    let mut copied = manifest.clone();
    for _ in 0..TRIES {
        store
            .copy(&copied.file, &stable)
            .await
            .context("copy the dump to its stable name")?;
        match read(store, copied.date).await? {
            Some((now, _)) if now.revision != copied.revision => copied = now,
            _ => return Ok(()),
        }
    }
    bail!(
        "{} was replaced {TRIES} times while it was being copied; run fewer dumpers at once",
        copied.file
    )
}

/// Deletes a revision that did not come into force. The claim goes last: while it is there, nobody
/// writes under the number.
async fn withdraw(store: &Store, ours: &Manifest) -> anyhow::Result<()> {
    store.delete(&ours.file).await.context("delete the superseded dump")?;
    store
        .delete(&manifest::claim(ours.date, ours.revision))
        .await
        .context("delete the claim")
}

#[cfg(test)]
mod tests;
