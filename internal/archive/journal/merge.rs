//! Writes the entries of the database to an upload, together with those of the dump in force that the database does not
//! know.
//!
//! A deleted entry leaves its row. So one of which the database has no row was never in it: it was posted to another
//! database, or to this one before it was set back. It stays. Of two states of one entry, the one that was edited later
//! stays.

use super::read::Reader;
use crate::pack::{self, File, Lines};
use crate::postgres::{JournalSnapshot, Stood};
use anyhow::Context;
use entry::{Id, Moment, Record};

/// What was written.
pub(super) struct Written {
    pub(super) entries: u64,
    /// The moments of the first entry and of the last.
    pub(super) span: Option<(Moment, Moment)>,
}

/// Writes a day's journal into a blob, which the caller then finishes, or aborts after an error.
pub(super) async fn write(
    snapshot: &JournalSnapshot,
    base: Option<Reader>,
    to: &mut blob::Writer,
) -> anyhow::Result<(File, Written)> {
    let producing = |lines: Lines| async move {
        let mut sheet = Sheet::new(lines);
        let mut base = Base::new(base);
        let mut rows = snapshot.rows().await?;
        while let Some(Stood { id, record }) = rows.next().await.context("read the day's entries")? {
            while let Some(unknown) = base.next_before(id).await? {
                sheet.push(&unknown).await?;
            }
            let dumped = base.next_of(id).await?;
            // In the place of an entry that was deleted there is none.
            if let Some(record) = record {
                let later = dumped.filter(|dumped| dumped.is_later_than(&record));
                sheet.push(&later.unwrap_or(record)).await?;
            }
        }
        while let Some(unknown) = base.next().await? {
            sheet.push(&unknown).await?;
        }
        let Sheet { lines, entries, span } = sheet;
        anyhow::Ok((lines, Written { entries, span }))
    };
    pack::write(to, producing).await
}

/// The lines of a day.
struct Sheet {
    lines: Lines,
    entries: u64,
    span: Option<(Moment, Moment)>,
}

impl Sheet {
    fn new(lines: Lines) -> Self {
        Self {
            lines,
            entries: 0,
            span: None,
        }
    }

    async fn push(&mut self, record: &Record) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.lines.buffer, record).context("write an entry")?;
        self.lines.buffer.push(b'\n');
        self.entries += 1;
        let first = self.span.map_or(record.timestamp, |(first, _)| first);
        self.span = Some((first, record.timestamp));
        self.lines.pass_on().await
    }
}

/// The dump in force, being read; none where there is none.
struct Base {
    reader: Option<Reader>,
    batch: std::vec::IntoIter<Record>,
}

impl Base {
    fn new(reader: Option<Reader>) -> Self {
        Self {
            reader,
            batch: Vec::new().into_iter(),
        }
    }

    /// The next entry, not consumed; none at the end of an undamaged dump.
    async fn peek(&mut self) -> anyhow::Result<Option<Id>> {
        if self.batch.as_slice().is_empty()
            && let Some(reader) = &mut self.reader
        {
            match reader.next().await? {
                Some(batch) => self.batch = batch.into_iter(),
                None => self.reader = None,
            }
        }
        Ok(self.batch.as_slice().first().map(|record| record.id))
    }

    async fn next(&mut self) -> anyhow::Result<Option<Record>> {
        self.peek().await?;
        Ok(self.batch.next())
    }

    /// The next entry, if its id is smaller than this one.
    async fn next_before(&mut self, id: Id) -> anyhow::Result<Option<Record>> {
        let is_before = self.peek().await?.is_some_and(|next| next < id);
        Ok(if is_before { self.batch.next() } else { None })
    }

    /// The next entry, if it has this id.
    async fn next_of(&mut self, id: Id) -> anyhow::Result<Option<Record>> {
        let is_same = self.peek().await?.is_some_and(|next| next == id);
        Ok(if is_same { self.batch.next() } else { None })
    }
}
