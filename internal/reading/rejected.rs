//! Rejected lines as events on the bus and as dead letters.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The `ce-type` of events that hold rejected lines of one upload: NDJSON, one [`Line`] each.
pub const KIND: &str = "odograph.rejected.v1";

/// A rejected line as a dead letter keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The upload that it came with.
    pub upload: Uuid,
    /// Its number among the upload's rejected lines, from 1; none from the ingestors of 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u64>,
    /// Its number in the body, from 1.
    pub line: u64,
    /// Its number among the values of that line, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// The device that the credentials name, else `default`.
    pub device: String,
    /// The key writes for that device only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bound: bool,
    /// Why it is not a reading.
    pub reason: String,
    /// The line as it came, the first 4 KiB of it.
    pub reading: String,
    /// It was longer than that, or than the ingestor keeps of a line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// It was not UTF-8; invalid bytes are replaced by U+FFFD.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub altered: bool,
    /// If altered: the original bytes, equally many, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// Reads the lines of a dead letter of this kind.
///
/// # Errors
/// Where it holds something else.
pub fn read(payload: &[u8]) -> Result<Vec<Line>, serde_json::Error> {
    each(payload).collect()
}

/// Reads the lines one by one.
pub fn each(payload: &[u8]) -> impl Iterator<Item = Result<Line, serde_json::Error>> {
    let lines = payload.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(serde_json::from_slice)
}

/// Writes the payload of a dead letter of these lines.
pub fn write<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<u8> {
    let mut payload = Vec::new();
    for line in lines {
        // Strings and numbers always serialize.
        if serde_json::to_writer(&mut payload, line).is_ok() {
            payload.push(b'\n');
        }
    }
    payload
}
