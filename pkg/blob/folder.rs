//! What a folder needs as a store for several processes: a lock, and the end of uploads of killed ones.

use crate::Error;
use crate::error::Failure;
use object_store::local::LocalFileSystem;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file whose lock guards every conditional replacement in the folder. It is never deleted: else two
/// processes could lock two files of the same name.
const LOCK: &str = ".lock";

/// Pause between tries to lock the file; its lock cannot be awaited.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// How long to wait for the lock; others hold it while they write one small file.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// The held lock. The system releases it when the process dies.
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
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(RETRY_INTERVAL).await,
                    Err(TryLockError::Error(error)) => return Err(failed(error.into())),
                }
            }
        };
        tokio::time::timeout(TIMEOUT, wait)
            .await
            .map_err(|_| failed(Failure::Deadline(TIMEOUT)))??;
        Ok(Lock { _file: file })
    }

    /// Deletes what killed processes left of uploads of a blob.
    pub(crate) async fn delete_unfinished(&self, name: &str) -> Result<(), Error> {
        let path = self.0.join(name);
        let deleted = tokio::task::spawn_blocking(move || delete_unfinished(&path)).await;
        let deleted = deleted.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        deleted.map_err(|error| Error::Unavailable {
            operation: "delete",
            name: name.to_owned(),
            source: error.into(),
        })
    }
}

/// Deletes `PATH#1`, `PATH#2` and so on: an upload is written to the first of them that is not there, and renamed at its
/// end.
fn delete_unfinished(path: &Path) -> std::io::Result<()> {
    let (Some(folder), Some(blob)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let files = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for file in files {
        let file = file?.file_name();
        let rest = file.as_encoded_bytes().strip_prefix(blob.as_encoded_bytes());
        let number = rest.and_then(|rest| rest.strip_prefix(b"#"));
        let is_unfinished = number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit));
        if is_unfinished
            && let Err(error) = std::fs::remove_file(folder.join(&file))
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
    }
    Ok(())
}
