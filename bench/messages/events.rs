//! Events of 300 bytes, and rows of them.

use std::io::{BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Bytes of an event.
const LENGTH: usize = 300;

/// The id of an event of a run.
pub(super) fn id(kind: &str, run: usize, number: usize) -> String {
    format!("{kind}-{run}-{number}")
}

/// An encoded event with this id: the rest of it is text.
pub(super) fn event(id: &str) -> Vec<u8> {
    let mut event = Vec::with_capacity(LENGTH);
    for (field, text) in [(1_u8, id), (2, "bench"), (3, "1.0"), (4, "bench.event.v1")] {
        event.extend([field << 3 | 2, u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        event.extend_from_slice(text.as_bytes());
    }
    let text = LENGTH - event.len() - 3;
    event.push(7 << 3 | 2);
    #[expect(clippy::cast_possible_truncation, reason = "a varint of two bytes: 128 to 299")]
    event.extend([(text & 127 | 128) as u8, (text >> 7) as u8]);
    event.resize(LENGTH, b'x');
    event
}

/// Rows in the binary format of COPY, in a file.
pub(super) struct Copy(NamedTempFile);

impl Copy {
    /// Writes rows of an epoch, received now, in order of id.
    pub(super) fn write(epoch: i32, rows: impl Iterator<Item = (String, Vec<u8>)>) -> anyhow::Result<Self> {
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable();
        let received = jiff::Timestamp::now().as_microsecond() - 946_684_800_000_000;
        let file = NamedTempFile::new()?;
        let mut out = BufWriter::new(file.as_file());
        out.write_all(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")?;
        for (id, event) in rows {
            out.write_all(&5_i16.to_be_bytes())?;
            let received = received.to_be_bytes();
            for field in [&epoch.to_be_bytes()[..], id.as_bytes(), b"bench", &received, &event] {
                out.write_all(&i32::try_from(field.len())?.to_be_bytes())?;
                out.write_all(field)?;
            }
        }
        out.write_all(&(-1_i16).to_be_bytes())?;
        out.flush()?;
        drop(out);
        Ok(Self(file))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}
