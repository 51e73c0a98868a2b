//! Reads a dump back: the revision in the manifest, line by line, in constant memory.
//!
//! Reading to the end verifies the file against its manifest: its length, its SHA-256 and the number of its
//! readings. Every line is judged as the ingestor judges one. It must be of the day and in the dump's order,
//! so that dumps can be merged.
//!
//! `unpack.rs` reads the file; here are its lines.

use super::manifest::Names;
use super::unpack::{Expected, Unpacked};
use super::{Day, Manifest};
use blob::{Store, Version};
use reading::Bounds;
use reading::decode::decode;
use serde::de::DeserializeOwned;
use std::sync::Arc;

pub use super::unpack::ReadError;

/// The longest line that is read. Those of a dump have at most 300 bytes.
const LINE: u64 = 4096;

/// A reading of a dump.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// A valid name, shared by consecutive readings of a series.
    pub device: Arc<str>,
    /// A valid name, shared likewise.
    pub sensor: Arc<str>,
    /// Microseconds since 1970-01-01 UTC, within the dump's day.
    pub timestamp: i64,
    /// Finite.
    pub value: f64,
}

/// Reads the manifest in force for a day; none if the day was never dumped.
///
/// # Errors
/// [`ReadError::Store`] and [`ReadError::Manifest`].
pub async fn in_force(store: &Store, day: Day) -> Result<Option<Manifest>, ReadError> {
    Ok(manifest_and_version(store, day).await?.map(|(manifest, _)| manifest))
}

/// Reads the manifest in force, and its version in the store.
pub(super) async fn manifest_and_version(store: &Store, day: Day) -> Result<Option<(Manifest, Version)>, ReadError> {
    manifest_of(store, Names::readings(day), |manifest: &Manifest| manifest.date).await
}

/// Reads the manifest of this name, of any kind, and its version in the store. `date` says of which day it is.
pub(super) async fn manifest_of<M: DeserializeOwned>(
    store: &Store,
    names: Names,
    date: impl Fn(&M) -> Day,
) -> Result<Option<(M, Version)>, ReadError> {
    let file = names.manifest();
    let Some((bytes, version)) = store.get(&file).await.map_err(ReadError::Store)? else {
        return Ok(None);
    };
    match serde_json::from_slice::<M>(&bytes) {
        Ok(manifest) if date(&manifest) != names.day => Err(ReadError::Manifest {
            file,
            reason: format!("it is of {}", date(&manifest)),
        }),
        Ok(manifest) => Ok(Some((manifest, version))),
        Err(error) => Err(ReadError::Manifest {
            file,
            reason: error.to_string(),
        }),
    }
}

/// Reads the revision in a manifest to its end, and compares it with the manifest.
///
/// # Errors
/// See [`ReadError`].
pub async fn verify(store: &Store, manifest: &Manifest) -> Result<(), ReadError> {
    let mut reader = Reader::open(store, manifest).await?;
    while reader.next().await?.is_some() {}
    Ok(())
}

/// The readings of a dump, in its order: bytewise by device, sensor and time.
pub struct Reader(Unpacked<Reading>);

impl Reader {
    /// Opens the revision in this manifest.
    ///
    /// # Errors
    /// [`ReadError::Manifest`], [`ReadError::Missing`] and [`ReadError::Store`].
    pub async fn open(store: &Store, manifest: &Manifest) -> Result<Self, ReadError> {
        let known = (Manifest::FORMAT, Manifest::SCHEMA_VERSION);
        if (&*manifest.format, manifest.schema_version) != known {
            return Err(ReadError::Manifest {
                file: Names::readings(manifest.date).manifest(),
                reason: format!("format {}, schema version {}", manifest.format, manifest.schema_version),
            });
        }
        let expected = Expected {
            file: manifest.file.clone(),
            bytes: manifest.bytes,
            sha256: manifest.sha256.clone(),
            count: manifest.readings,
            of: "readings",
            longest: LINE,
        };
        Ok(Self(Unpacked::open(store, expected, lines(manifest.date)).await?))
    }

    /// Returns the next readings, at least one. None at the end, once the whole file was verified against its
    /// manifest.
    ///
    /// # Errors
    /// See [`ReadError`]. After an error or the end, it returns nothing more.
    pub async fn next(&mut self) -> Result<Option<Vec<Reading>>, ReadError> {
        self.0.next().await
    }
}

/// Decodes the lines of a day, one after the other.
fn lines(day: Day) -> impl FnMut(&[u8]) -> Result<Reading, String> + Send + 'static {
    let bounds = Bounds {
        oldest: day.start(),
        newest: day.start() + Day::MICROSECONDS - 1,
    };
    let mut last: Option<Reading> = None;
    move |content: &[u8]| {
        let found = decode(content, bounds)?;
        let device = found.device.ok_or("device: missing")?;
        let (device, sensor) = match &last {
            Some(last) if *last.device == *device && *last.sensor == *found.sensor => {
                (last.device.clone(), last.sensor.clone())
            }
            _ => (Arc::from(device), Arc::from(found.sensor)),
        };
        let reading = Reading {
            device,
            sensor,
            timestamp: found.timestamp,
            value: found.value,
        };
        if last.as_ref().is_some_and(|last| last.identity() >= reading.identity()) {
            return Err("does not come after the line before it".to_owned());
        }
        last = Some(reading.clone());
        Ok(reading)
    }
}

impl Reading {
    /// The order of dumps, and the identity of a reading.
    pub fn identity(&self) -> (&str, &str, i64) {
        (&self.device, &self.sensor, self.timestamp)
    }
}

#[cfg(test)]
mod tests;
