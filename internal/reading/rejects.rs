//! The lines of an upload that are not readings: shown to the client, kept as dead letters.

use bytes::Bytes;
use event::{Event, Writer};
use serde::Serialize;
use uuid::Uuid;

/// The `ce-type` of events that hold rejected lines: NDJSON, an object a line with `upload`,
/// `line`, `device`, `reason` and `reading` (the line as it came, its first 4 KiB).
pub(super) const KIND: &str = "odograph.rejected.v1";

/// Rejected lines that an answer shows.
const SHOWN: usize = 100;

/// Bytes of a rejected line that an answer shows, and that a dead letter keeps.
const SHOWN_BYTES: usize = 1024;
const KEPT_BYTES: usize = 4096;

/// A dead letter holds about this much.
const LETTER: usize = 128 * 1024;

/// A rejected line, as the answer shows it.
#[derive(Debug, Serialize)]
pub(super) struct Invalid {
    line: u64,
    reason: String,
    reading: String,
}

#[derive(Serialize)]
struct Kept<'a> {
    upload: Uuid,
    line: u64,
    device: &'a str,
    reason: &'a str,
    reading: &'a str,
}

/// The rejected lines of one upload.
#[derive(Debug, Default)]
pub(super) struct Rejects {
    pub(super) count: u64,
    pub(super) shown: Vec<Invalid>,
    letter: Vec<u8>,
}

impl Rejects {
    pub(super) fn add(&mut self, upload: Uuid, device: &str, line: u64, reason: String, raw: &[u8]) {
        self.count += 1;
        let kept = Kept {
            upload,
            line,
            device,
            reason: &reason,
            reading: &text(raw, KEPT_BYTES),
        };
        // Strings and numbers always serialize.
        if serde_json::to_writer(&mut self.letter, &kept).is_ok() {
            self.letter.push(b'\n');
        }
        if self.shown.len() < SHOWN {
            self.shown.push(Invalid {
                line,
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

/// At most `max` bytes of a line as text.
fn text(raw: &[u8], max: usize) -> String {
    String::from_utf8_lossy(&raw[..raw.len().min(max)]).into_owned()
}
