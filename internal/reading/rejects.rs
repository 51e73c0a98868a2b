//! The lines of an upload that are not readings: shown to the client, kept as dead letters.

use super::keys::Caller;
use super::limits::Quota;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event::{Event, Writer};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// The `ce-type` of events that hold rejected lines of one upload: NDJSON, a [`Kept`] a line.
pub(super) const KIND: &str = "odograph.rejected.v1";

/// Rejected lines that an answer shows.
const SHOWN: usize = 100;

/// Bytes of a rejected line that an answer shows, and that a dead letter keeps.
const SHOWN_BYTES: usize = 1024;
const KEPT_BYTES: usize = 4096;

/// A dead letter holds about this much.
const LETTER: usize = 128 * 1024;

/// Bytes of rejected lines that one upload may bring: a body with more of them is not what its
/// head says.
const MOST_BYTES: u64 = 16 << 20;

/// A line counts at least so many bytes, since each costs more than its own.
const LEAST_BYTES: u64 = 64;

/// Where a rejected value stands in its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The number of its line, from 1.
    pub(super) line: u64,
    /// Its number among the values of that line, where there are several.
    pub(super) value: Option<u64>,
}

/// What is no reading.
#[derive(Debug)]
pub(super) struct Rejected<'a> {
    pub(super) at: At,
    /// Why it is none.
    pub(super) reason: String,
    /// All of it, or its beginning where that is `cut`.
    pub(super) raw: &'a [u8],
    pub(super) cut: bool,
}

/// A rejected line, as the answer shows it.
#[derive(Debug, Serialize)]
pub(super) struct Invalid {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    reason: String,
    reading: String,
}

/// A rejected line as a dead letter keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The upload that it came with.
    pub upload: Uuid,
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
    /// It was not UTF-8; what was not is replaced by U+FFFD.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub altered: bool,
    /// Where it is altered: its bytes as they came, as many, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// The lines that a dead letter of this kind holds.
///
/// # Errors
/// Where it holds something else.
pub(super) fn read(payload: &[u8]) -> Result<Vec<Kept>, serde_json::Error> {
    let lines = payload.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(serde_json::from_slice).collect()
}

/// The payload of a dead letter that holds these lines.
pub(super) fn write<'a>(lines: impl Iterator<Item = &'a Kept>) -> Vec<u8> {
    let mut payload = Vec::new();
    for line in lines {
        // Strings and numbers always serialize.
        if serde_json::to_writer(&mut payload, line).is_ok() {
            payload.push(b'\n');
        }
    }
    payload
}

/// Why some rejected lines of an upload are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The upload has too many of them.
    Upload,
    /// The key has brought too many; there is room again after this long.
    Key(Duration),
}

/// The rejected lines of one upload.
#[derive(Debug, Default)]
pub(super) struct Rejects {
    pub(super) count: u64,
    pub(super) shown: Vec<Invalid>,
    /// Set once a line is not kept; then no other is.
    pub(super) lost: Option<Lost>,
    bytes: u64,
    letter: Vec<u8>,
}

impl Rejects {
    /// Adds what an upload has brought, or does no more than count it.
    pub(super) fn add(&mut self, upload: Uuid, caller: &Caller, quota: &Quota, rejected: Rejected<'_>) {
        let Rejected { at, reason, raw, cut } = rejected;
        self.count += 1;
        let size = (raw.len() as u64).max(LEAST_BYTES);
        self.bytes += size;
        if self.bytes > MOST_BYTES {
            self.lost = Some(Lost::Upload);
        } else if self.lost.is_none() {
            self.lost = quota.take(&caller.key, size).err().map(Lost::Key);
        }
        if self.lost.is_none() {
            let altered = std::str::from_utf8(raw).is_err();
            let kept = Kept {
                upload,
                line: at.line,
                value: at.value,
                device: caller.device.to_string(),
                bound: caller.bound,
                reason: reason.clone(),
                reading: text(raw, KEPT_BYTES),
                cut: cut || raw.len() > KEPT_BYTES,
                altered,
                raw: altered.then(|| STANDARD.encode(&raw[..raw.len().min(KEPT_BYTES)])),
            };
            self.letter.extend(write(std::iter::once(&kept)));
        }
        if self.shown.len() < SHOWN {
            self.shown.push(Invalid {
                line: at.line,
                value: at.value,
                reason,
                reading: text(raw, SHOWN_BYTES),
            });
        }
    }

    /// Whether enough has gathered for a dead letter.
    pub(super) fn full(&self) -> bool {
        self.letter.len() >= LETTER
    }

    /// Stores what has gathered as a dead letter.
    pub(super) async fn bury(&mut self, writer: &Writer, source: &str) -> Result<(), event::Error> {
        if self.letter.is_empty() {
            return Ok(());
        }
        let event = Event {
            id: Uuid::now_v7().to_string(),
            kind: KIND.into(),
            source: source.to_owned(),
            payload: Bytes::from(std::mem::take(&mut self.letter)),
        };
        writer.bury(event, "rejected lines").await
    }
}

/// At most `max` bytes of a line as text, no character of it halved.
fn text(raw: &[u8], max: usize) -> String {
    let mut end = raw.len().min(max);
    while end < raw.len() && end > max - 4 && raw[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    String::from_utf8_lossy(&raw[..end]).into_owned()
}
