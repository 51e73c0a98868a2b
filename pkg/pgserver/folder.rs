//! The data folder: its lock, its marker, and making it.

use super::account::{Account, run, succeeded};
use super::binaries::{Binaries, major_in};
use super::error::{Error, io};
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database user, a superuser of this server.
pub(super) const USER: &str = "odograph";

/// A file that marks the folder as made by this module. Without it, the folder may hold another
/// program's cluster, whose server would be stopped as a leftover.
const MARKER: &str = "private-server";
const MARKER_TEXT: &str =
    "This folder belongs to a private PostgreSQL that is started and stopped by the program that owns it.\n";

/// A locked data folder, which may not exist yet. No other program can claim it while this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Resolves the folder's path and locks it.
    pub(super) fn claim(data_dir: &Path) -> Result<Self, Error> {
        let path = locate(data_dir)?;
        let lock_path = beside(&path, ".lock");
        let failed = || format!("lock {}", lock_path.display());
        let opened = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path);
        let lock = opened.map_err(io(failed()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path)),
            Err(TryLockError::Error(source)) => Err(io(failed())(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn into_lock(self) -> File {
        self.lock
    }

    /// The major version of the folder's data; `None` when it is absent or empty.
    pub(super) fn version(&self) -> Result<Option<u32>, Error> {
        let refused = |reason: &str| Error::Refused {
            path: self.path.clone(),
            reason: reason.to_owned(),
        };
        let read = || format!("read {}", self.path.display());
        let mut entries = match self.path.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(refused("it is not a folder; choose another path"));
            }
            Err(error) => return Err(io(read())(error)),
        };
        if entries.next().is_none() {
            return Ok(None);
        }
        if !self.path.join(MARKER).try_exists().map_err(io(read()))? {
            return Err(refused(
                "it holds something else than a private server's data; choose another folder, or empty this one",
            ));
        }
        let version = std::fs::read_to_string(self.path.join("PG_VERSION")).map_err(io(read()))?;
        major_in(&version)
            .map(Some)
            .ok_or_else(|| refused("its file PG_VERSION is damaged; bring the folder back from a backup"))
    }

    /// Makes the data in a folder beside, and moves it here when it is complete and on disk. A crash in
    /// the middle leaves only that folder, which the next try removes.
    pub(super) async fn create(&self, binaries: &Binaries, account: &Account) -> Result<(), Error> {
        let new = beside(&self.path, ".initdb");
        let failed = || format!("make {}", new.display());
        match std::fs::remove_dir_all(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(failed())(error)),
            _ => {}
        }
        // This program makes it, since the account may lack the right.
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&new)
            .map_err(io(failed()))?;
        account.give(&new)?;
        let mut initdb = account.command(&binaries.program("initdb"));
        // Trust: the socket's folder already restricts who can connect.
        initdb.arg("-D").arg(&new).args([
            "-U",
            USER,
            "-E",
            "UTF8",
            "--locale=C",
            "-A",
            "trust",
            "--data-checksums",
        ]);
        succeeded(&run(&mut initdb, "initdb", Duration::from_secs(180)).await?, "initdb")?;
        write(&new, MARKER, MARKER_TEXT, account)?;
        std::fs::rename(&new, &self.path).map_err(io(format!("move {} to {}", new.display(), self.path.display())))?;
        if let Some(parent) = self.path.parent() {
            File::open(parent)
                .and_then(|folder| folder.sync_all())
                .map_err(io(format!("write {} to disk", parent.display())))?;
        }
        Ok(())
    }

    /// Writes who may connect, at each start, since it depends on the start's options.
    pub(super) fn admit(&self, tcp: bool, account: &Account) -> Result<(), Error> {
        let mut rules = "# Written at each start.\nlocal all all trust\n".to_owned();
        if tcp {
            rules.push_str("host all all 127.0.0.1/32 trust\n");
        }
        write(&self.path, "pg_hba.conf", &rules, account)
    }
}

/// A path with an ending added to its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(ending);
    path.with_file_name(name)
}

/// Resolves a path. Two spellings must be one folder: the lock and the socket depend on its name.
fn locate(data_dir: &Path) -> Result<PathBuf, Error> {
    let failed = || format!("find the data folder {}", data_dir.display());
    let path = std::path::absolute(data_dir).map_err(io(failed()))?;
    // The server's settings have to name it.
    if path.to_str().is_none_or(|text| text.contains(char::is_control)) {
        return Err(Error::Refused {
            path,
            reason: "its name is not plain UTF-8 text; choose another folder".to_owned(),
        });
    }
    if path.exists() {
        return path.canonicalize().map_err(io(failed()));
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::Refused {
            path,
            reason: "it names no folder; choose another".to_owned(),
        });
    };
    std::fs::create_dir_all(parent).map_err(io(format!("make the folder {}", parent.display())))?;
    Ok(parent.canonicalize().map_err(io(failed()))?.join(name))
}

/// Writes a file of the account atomically.
fn write(folder: &Path, name: &str, text: &str, account: &Account) -> Result<(), Error> {
    let path = folder.join(name);
    let new = beside(&path, ".new");
    let failed = || format!("write {}", path.display());
    let opened = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new);
    let mut file = opened.map_err(io(failed()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(io(failed()))?;
    account.give(&new)?;
    std::fs::rename(&new, &path).map_err(io(failed()))
}
