//! A file that is there only once it is whole.

use anyhow::Context;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file beside another one, which it replaces once it is whole. Removed when it is dropped before.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    whole: PathBuf,
}

impl Part {
    /// Makes the file beside `whole`.
    pub(super) fn new(whole: &Path) -> anyhow::Result<Self> {
        let name = whole
            .file_name()
            .with_context(|| format!("{} names no file", whole.display()))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let path = whole.with_file_name(hidden);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file =
            file.with_context(|| format!("make {}; name a file in a folder that you may write in", path.display()))?;
        Ok(Self {
            file,
            path,
            whole: whole.to_owned(),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(bytes);
        written.with_context(|| format!("write {}", self.path.display()))
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let moved = self.file.sync_all().and_then(|()| fs::rename(&self.path, &self.whole));
        moved.with_context(|| format!("write {}", self.whole.display()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After the end, it is not there any more.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_only_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("a.csv");
        let mut part = Part::new(&whole).unwrap();
        part.write(b"half").unwrap();
        drop(part);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(&whole, "before").unwrap();
        let mut part = Part::new(&whole).unwrap();
        part.write(b"all").unwrap();
        assert_eq!(fs::read(&whole).unwrap(), b"before");
        part.finish().unwrap();
        assert_eq!(fs::read(&whole).unwrap(), b"all");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
