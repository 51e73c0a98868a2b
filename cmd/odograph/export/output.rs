//! Where an export goes.

use super::part::Part;
use anyhow::{Context, bail};
use std::fs;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

/// Where an export goes.
pub(super) enum Output {
    File(Part),
    /// What is no regular file, such as a pipe or `/dev/null`: it is written to as it is.
    Other(fs::File),
    Standard(std::io::Stdout),
}

/// Refuses a name that cannot become a file, before the api is asked.
pub(super) fn check(file: &Path) -> anyhow::Result<()> {
    if file.is_dir() {
        bail!("{} is a folder; name a file in it", file.display());
    }
    Ok(())
}

impl Output {
    pub(super) async fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return Ok(Self::Standard(std::io::stdout()));
        };
        if fs::metadata(file).is_ok_and(|found| !found.is_file()) {
            // A pipe is open only once it has a reader.
            let opened = tokio::fs::OpenOptions::new().write(true).open(file).await;
            let opened = opened.with_context(|| format!("open {}", file.display()))?;
            return Ok(Self::Other(opened.into_std().await));
        }
        Part::new(file).map(Self::File)
    }

    /// Whether it does not share a terminal with the progress.
    pub(super) fn is_apart(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Other(file) => !file.is_terminal(),
            Self::Standard(out) => !out.is_terminal(),
        }
    }

    /// Writes. Returns whether anyone still reads: `head` ends before its input.
    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<bool> {
        match self {
            Self::File(part) => part.write(bytes).map(|()| true),
            Self::Other(file) => is_read(file.write_all(bytes)).context("write to the output"),
            Self::Standard(out) => is_read(out.write_all(bytes)).context("write to the standard output"),
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::File(part) => part.finish(),
            Self::Other(_) => Ok(()),
            Self::Standard(mut out) => {
                let flushed = is_read(out.flush()).context("write to the standard output");
                flushed.map(|_is_read| ())
            }
        }
    }
}

/// Whether anyone reads what was written.
fn is_read(written: std::io::Result<()>) -> std::io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let refused = check(folder.path()).unwrap_err().to_string();
        assert!(refused.ends_with("is a folder; name a file in it"), "{refused}");
        check(&folder.path().join("a.csv")).unwrap();
    }

    #[tokio::test]
    async fn a_device_is_written_to_as_it_is() {
        let null = Path::new("/dev/null");
        let mut output = Output::open(Some(null)).await.unwrap();
        assert!(matches!(output, Output::Other(_)));
        assert!(output.write(b"all").unwrap());
        output.finish().unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        drop(reader);
        assert!(!is_read(writer.write_all(b"x")).unwrap());
    }
}
