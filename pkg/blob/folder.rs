//! What a folder needs to be a store that several processes share: a lock.

use crate::Error;
use crate::error::Failure;
use object_store::local::LocalFileSystem;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file whose lock guards every conditional replacement in the folder. It stays there when
/// nobody holds it: deleting it would let two processes lock two files of the same name.
const LOCK: &str = ".lock";

/// A file's lock cannot be awaited; this is how often one asks again.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// How long a lock may be held by others: it is held for the writing of one small file.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// Held while it lives; the system lets go of it when the process dies.
pub(crate) struct Lock {
    _file: File,
}

impl Folder {
    /// Opens a folder, making it when missing.
    pub(crate) fn open(path: &Path) -> Result<(Self, LocalFileSystem), Error> {
        let explain = |error: std::io::Error| Error::Url(format!("cannot use the folder {}: {error}", path.display()));
        std::fs::create_dir_all(path).map_err(explain)?;
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(|error| Error::Url(format!("cannot use the folder {}: {error}", path.display())))?;
        Ok((Self(path.to_owned()), store.with_fsync(true)))
    }

    /// Waits for the lock.
    pub(crate) async fn lock(&self, name: &str) -> Result<Lock, Error> {
        let failed = |source: Failure| Error::Unavailable {
            operation: "lock",
            name: name.to_owned(),
            source,
        };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.0.join(LOCK));
        let file = file.map_err(|error| failed(error.into()))?;
        let wait = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(ASK_AGAIN).await,
                    Err(TryLockError::Error(error)) => return Err(failed(error.into())),
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .map_err(|_| failed(Failure::Deadline(PATIENCE)))??;
        Ok(Lock { _file: file })
    }
}
