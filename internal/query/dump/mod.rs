//! Dumps in the blob store: a list of them, and their bytes.
//!
//! The manifests in the store are the list; the database is not asked. Writing dumps is the dumper's work.

mod http;
mod list;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use archive::{Day, File, Manifest};
use serde::Serialize;
use utoipa::ToSchema;

/// The dump in force of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Dump {
    /// The UTC day.
    #[schema(value_type = String, format = Date)]
    date: Day,
    revision: u64,
    readings: u64,
    devices: u64,
    /// The earliest reading's time; null when it is empty.
    #[schema(required)]
    first_timestamp: Option<String>,
    /// The latest reading's time; null when it is empty.
    #[schema(required)]
    last_timestamp: Option<String>,
    /// The size of the compressed file.
    bytes: u64,
    /// The SHA-256 of the compressed file, in lower-case hexadecimal digits.
    sha256: String,
    /// The name of the file that holds this revision.
    file: String,
    /// Where this API gives it out.
    url: String,
}

impl Dump {
    /// The dump that a manifest describes. None if the manifest names another kind of file.
    fn of(manifest: Manifest) -> Option<Self> {
        let file = File::parse(&manifest.file).filter(|file| file.is_revision())?;
        Some(Self {
            date: manifest.date,
            revision: manifest.revision,
            readings: manifest.readings,
            devices: manifest.devices,
            first_timestamp: manifest.first_timestamp,
            last_timestamp: manifest.last_timestamp,
            bytes: manifest.bytes,
            sha256: manifest.sha256,
            url: format!("/dumps/{file}"),
            file: manifest.file,
        })
    }
}
