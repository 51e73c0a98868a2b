//! A journal of events and their times, to investigate a failed run.

use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A line for each fault, and for each change of the system.
pub(crate) struct Journal {
    folder: PathBuf,
    file: Mutex<File>,
    start: Instant,
    aloud: bool,
}

impl Journal {
    /// A journal in this folder, which is emptied; `aloud` repeats each line on the terminal.
    pub(crate) fn create(folder: &Path, aloud: bool) -> anyhow::Result<Self> {
        let making = || format!("make the folder {}", folder.display());
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(making),
            _ => {}
        }
        std::fs::create_dir_all(folder).with_context(making)?;
        // PostgreSQL may run as another user, so it inherits its open log.
        let file = File::create(folder.join("journal.txt")).with_context(making)?;
        Ok(Self {
            folder: folder.to_owned(),
            file: Mutex::new(file),
            start: Instant::now(),
            aloud,
        })
    }

    /// The folder, which also holds the programs' logs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes how a run has ended: its mistakes, or why it could not be finished. Removes the folder of a good run, unless
    /// it is to be kept.
    pub(crate) fn close(&self, ended: Result<&[String], &anyhow::Error>, keep: bool) {
        match ended {
            Ok([]) if keep => {}
            Ok([]) => {
                // The logs of a good run.
                let _ = std::fs::remove_dir_all(&self.folder);
            }
            Ok(wrong) => wrong.iter().for_each(|text| self.note(&format!("WRONG: {text}"))),
            Err(error) => self.note(&format!("NOT FINISHED: {error:#}")),
        }
    }

    pub(crate) fn note(&self, text: &str) {
        let line = format!("{:8.3} {text}\n", self.start.elapsed().as_secs_f64());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A failed write must not end the run.
        let _ = file.write_all(line.as_bytes());
        if self.aloud {
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}
