//! Reads the dump of a day's journal back, and verifies it.

use super::manifest::Manifest;
use crate::Day;
use crate::manifest::Names;
use crate::read::manifest_of;
use crate::unpack::{Expected, ReadError, Unpacked};
use blob::{Store, Version};
use entry::{Id, Record};

/// The longest line that is read. A text has at most a few thousand characters, unless an operator allows more.
const LINE: u64 = 16 << 20;

/// How often to start over where another dumper has replaced the dump.
const TRIES: usize = 10;

/// Reads the manifest in force, and its version in the store.
pub(super) async fn manifest_and_version(store: &Store, day: Day) -> Result<Option<(Manifest, Version)>, ReadError> {
    manifest_of(store, Names::journal(day), |manifest: &Manifest| manifest.date).await
}

/// Verifies the dump in force, and returns its manifest; none where there is no dump. A dumper deletes what it has
/// replaced: then the one that replaced it is verified.
pub(crate) async fn verified(store: &Store, day: Day) -> Result<Option<Manifest>, ReadError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Some((manifest, version)) = manifest_and_version(store, day).await? else {
            return Ok(None);
        };
        match verify(store, &manifest).await {
            Ok(()) => return Ok(Some(manifest)),
            Err(error) => {
                let now = manifest_and_version(store, day).await?;
                if tries == TRIES || now.is_some_and(|(_, now)| now == version) {
                    return Err(error);
                }
            }
        }
    }
}

async fn verify(store: &Store, manifest: &Manifest) -> Result<(), ReadError> {
    let mut reader = Reader::open(store, manifest).await?;
    while reader.next().await?.is_some() {}
    Ok(())
}

/// The entries of a dump, in order of their ids.
pub(crate) struct Reader(Unpacked<Record>);

impl Reader {
    /// Opens the revision in this manifest.
    ///
    /// # Errors
    /// [`ReadError::Manifest`], [`ReadError::Missing`] and [`ReadError::Store`].
    pub(crate) async fn open(store: &Store, manifest: &Manifest) -> Result<Self, ReadError> {
        let known = (Manifest::FORMAT, Manifest::SCHEMA_VERSION);
        if (&*manifest.format, manifest.schema_version) != known {
            return Err(ReadError::Manifest {
                file: Names::journal(manifest.date).manifest(),
                reason: format!("format {}, schema version {}", manifest.format, manifest.schema_version),
            });
        }
        let expected = Expected {
            file: manifest.file.clone(),
            bytes: manifest.bytes,
            sha256: manifest.sha256.clone(),
            count: manifest.entries,
            of: "entries",
            longest: LINE,
        };
        Ok(Self(Unpacked::open(store, expected, lines(manifest.date)).await?))
    }

    /// Returns the next entries, at least one. None at the end, once the whole file was verified against its manifest.
    ///
    /// # Errors
    /// See [`ReadError`]. After an error or the end, it returns nothing more.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Record>>, ReadError> {
        self.0.next().await
    }
}

/// Decodes the lines of a day, one after the other.
fn lines(day: Day) -> impl FnMut(&[u8]) -> Result<Record, String> + Send + 'static {
    let mut last: Option<Id> = None;
    move |content: &[u8]| {
        let record: Record = serde_json::from_slice(content).map_err(|error| format!("is no entry: {error}"))?;
        record.check()?;
        if Day::of_id(record.id) != Some(day) {
            return Err("is of another day".to_owned());
        }
        if last.is_some_and(|last| last >= record.id) {
            return Err("does not come after the line before it".to_owned());
        }
        last = Some(record.id);
        Ok(record)
    }
}
