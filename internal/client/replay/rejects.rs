//! Keeps the lines that the ingestor did not accept, with its reasons, in a file beside the input.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

use super::Error;

/// The rejected lines of one input. Its file is made with the first of them.
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<File>,
    written: u64,
}

/// One rejected line, as it stands in the file.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    /// The number of the line in the input, from 1.
    pub(super) line: u64,
    pub(super) reason: &'a str,
    /// The line as it was; bytes that are no UTF-8 appear as U+FFFD.
    pub(super) reading: &'a str,
}

impl Rejects {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            written: 0,
        }
    }

    /// Removes what an earlier run has left: the file speaks of the last run only.
    pub(super) async fn forget(path: &Path) -> Result<(), Error> {
        match fs::remove_file(path).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, error)),
            _ => Ok(()),
        }
    }

    /// Adds `lines`, already in the file's form, which are so many.
    pub(super) async fn write(&mut self, lines: &[u8], count: u64) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        self.append(lines).await.map_err(|error| failed(&self.path, error))?;
        self.written += count;
        Ok(())
    }

    /// Brings it all to the disk; the path and how many lines are there, if any.
    pub(super) async fn finish(mut self) -> Result<Option<(PathBuf, u64)>, Error> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        file.sync_all().await.map_err(|error| failed(&self.path, error))?;
        Ok(Some((self.path, self.written)))
    }

    async fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::options().append(true).create(true).open(&self.path).await?),
        };
        file.write_all(lines).await?;
        file.flush().await
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Rejects {
        path: path.to_owned(),
        source,
    }
}
