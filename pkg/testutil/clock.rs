//! A clock that a test sets, for a program that runs under libfaketime.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A wall clock that a test sets. Timers are unaffected.
#[derive(Debug)]
pub struct Clock {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Clock {
    /// Makes a clock with this offset: `-150d`, `+3h`, `+0`.
    ///
    /// # Panics
    /// Without libfaketime.
    #[must_use]
    pub fn new(offset: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the clock");
        forget_dead_processes();
        // PostgreSQL's user reads it as well.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("let others enter the folder");
        let clock = Self {
            folder,
            library: library(),
        };
        clock.set(offset);
        clock
    }

    /// Sets the offset, also for running programs.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn set(&self, offset: &str) {
        // Replaced atomically: a program may read it at any moment.
        let written = self.folder.path().join("new");
        std::fs::write(&written, format!("{offset}\n")).expect("write the clock's file");
        std::fs::rename(written, self.file()).expect("set the clock");
    }

    /// Environment variables that give a program this clock.
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

/// Removes what libfaketime left in shared memory for processes that were killed.
///
/// It names its objects by process, and a program under an old number that finds another user's object
/// there does not start.
fn forget_dead_processes() {
    for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| {
            let name = name.strip_prefix("sem.").unwrap_or(name);
            name.strip_prefix("faketime_sem_")
                .or_else(|| name.strip_prefix("faketime_shm_"))
        });
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // This fails where another test has removed it meanwhile. An object that another user owns stays.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The library as Debian installs it.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    found
        .find(|library| library.is_file())
        .expect("libfaketime is missing: run scripts/install-faketime.sh (`make test` does)")
}
