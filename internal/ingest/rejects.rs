//! Rejected lines of an upload: shown to the client, and published to become dead letters.

use access::{ByteQuota, Caller};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event::{Event, Lane, Writer};
use reading::rejected::{KIND, Line, write};
use reading::signature::is_binary;
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// Rejected lines that an answer shows.
const SHOWN: usize = 100;

/// Bytes of a rejected line that an answer shows, and that a dead letter keeps.
const SHOWN_BYTES: usize = 1024;
const KEPT_BYTES: usize = 4096;

/// About how many bytes a dead letter of lines holds.
const LETTER: usize = 128 * 1024;

/// Bytes of rejected lines that one upload may bring. A body with more of them is not of the type that its
/// head says.
const MOST_BYTES: u64 = 16 << 20;

/// Least bytes that a line counts, since each costs more than its own.
const LEAST_BYTES: u64 = 64;

/// The place of a rejected value in its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// The number of its line, from 1.
    pub(crate) line: u64,
    /// Its number among the values of that line, where there are several.
    pub(crate) value: Option<u64>,
}

/// A rejected value.
#[derive(Debug)]
pub(crate) struct Rejected<'a> {
    pub(crate) at: At,
    /// Why it is no reading.
    pub(crate) reason: String,
    /// Its bytes, or only the first ones where `cut`.
    pub(crate) raw: &'a [u8],
    pub(crate) cut: bool,
    /// It is the first value of the body.
    pub(crate) begins: bool,
}

/// A rejected line, as the answer shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Invalid {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    reason: String,
    reading: String,
}

/// Why some rejected lines of an upload are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The upload has too many of them.
    Upload,
    /// The key has brought too many; it has room again after this long.
    Key(Duration),
}

/// The rejected lines of one upload.
#[derive(Debug, Default)]
pub(crate) struct Rejects {
    pub(crate) count: u64,
    pub(crate) shown: Vec<Invalid>,
    /// Set once a line is not kept; from then on, none is kept.
    pub(crate) lost: Option<Lost>,
    /// Some are not UTF-8.
    pub(crate) altered: bool,
    /// The first value is no text.
    pub(crate) begins_binary: bool,
    /// Bytes of the values before any was published, and of those among them that are no text.
    looked_at: usize,
    binary: usize,
    published: bool,
    bytes: u64,
    /// Letters that are full, and the one being filled.
    letters: Vec<Vec<u8>>,
    letter: Vec<u8>,
}

impl Rejects {
    /// Adds a rejected value of an upload, or only counts it.
    pub(crate) fn add(&mut self, upload: Uuid, caller: &Caller, quota: &ByteQuota, rejected: Rejected<'_>) {
        let Rejected {
            at,
            reason,
            raw,
            cut,
            begins,
        } = rejected;
        self.count += 1;
        let altered = std::str::from_utf8(raw).is_err();
        self.altered |= altered;
        if !self.published {
            let is_binary = is_binary(raw);
            self.begins_binary |= is_binary && begins;
            self.looked_at += raw.len();
            self.binary += if is_binary { raw.len() } else { 0 };
        }
        let size = (raw.len() as u64).max(LEAST_BYTES);
        self.bytes += size;
        if self.bytes > MOST_BYTES {
            self.lost = Some(Lost::Upload);
        } else if self.lost.is_none() {
            self.lost = quota.take(&caller.key, size).err().map(Lost::Key);
        }
        if let Some(Lost::Key(wait)) = &mut self.lost {
            // The whole body comes again.
            *wait = (*wait).max(quota.wait_for(self.bytes));
        }
        if self.lost.is_none() {
            let kept = Line {
                upload,
                ordinal: Some(self.count),
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
            if self.letter.len() >= LETTER {
                self.letters.push(std::mem::take(&mut self.letter));
            }
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

    /// Whether these are no lines of text: the first value is no text, or most of the first ones are none. A line end
    /// may come by chance early in other data.
    pub(crate) fn is_binary(&self) -> bool {
        self.begins_binary || (self.binary > 0 && self.binary >= self.looked_at / 2)
    }

    /// Whether the gathered lines fill a dead letter.
    pub(crate) fn full(&self) -> bool {
        !self.letters.is_empty()
    }

    /// Publishes the gathered lines as dead letters to be, and returns when the bus has stored them. Always
    /// uses the bulk lane.
    pub(crate) async fn publish(&mut self, writer: &Writer, source: &str) -> Result<(), event::Error> {
        if !self.letter.is_empty() {
            self.letters.push(std::mem::take(&mut self.letter));
        }
        self.published |= !self.letters.is_empty();
        for letter in std::mem::take(&mut self.letters) {
            let event = Event {
                id: Uuid::now_v7().to_string(),
                kind: KIND.into(),
                source: source.to_owned(),
                payload: Bytes::from(letter),
            };
            writer.publish(Lane::Bulk, event).await?;
        }
        Ok(())
    }
}

/// At most `max` bytes of a line as text, cut between characters.
fn text(raw: &[u8], max: usize) -> String {
    let mut end = raw.len().min(max);
    while end < raw.len() && end > max - 4 && raw[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    String::from_utf8_lossy(&raw[..end]).into_owned()
}
