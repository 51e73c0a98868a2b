//! Writes rejected lines, with the ingestor's reasons, to a file beside the input.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

use super::error::Error;

/// The rejected lines of one input. The first one creates the file.
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<File>,
    written: u64,
}

/// A rejected line in the file.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    /// The number of the line in the input, from 1.
    pub(super) line: u64,
    pub(super) reason: &'a str,
    /// The original line; invalid UTF-8 becomes U+FFFD.
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

    /// Removes an earlier run's file, since the file describes the last run only.
    pub(super) async fn forget(path: &Path) -> Result<(), Error> {
        match fs::remove_file(path).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, error)),
            _ => Ok(()),
        }
    }

    /// Adds `count` lines, already in the file's form.
    pub(super) async fn write(&mut self, lines: &[u8], count: u64) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        self.append(lines).await.map_err(|error| failed(&self.path, error))?;
        self.written += count;
        Ok(())
    }

    /// Syncs the file to disk. Returns its path and number of lines, if any.
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
