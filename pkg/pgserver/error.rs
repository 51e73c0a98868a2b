//! Errors of a private server.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a private server does not run, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Install PostgreSQL.
    #[error(
        "PostgreSQL 14 or newer is not installed: its programs postgres, initdb and pg_ctl are neither on PATH, nor where `pg_config --bindir` points, nor in the usual folders; install it (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17) or name a server that you run yourself"
    )]
    NotInstalled,
    /// Install the version that the data needs.
    #[error(
        "{} was made by PostgreSQL {needed}, which is not installed (found: {found}); install PostgreSQL {needed}, or move the data with pg_dump",
        data_dir.display()
    )]
    Version {
        /// The data folder.
        data_dir: PathBuf,
        /// The major version that made it.
        needed: u32,
        /// The installed major versions.
        found: String,
    },
    /// End the other program, or choose another folder.
    #[error("{} is in use by another running program; end that one first, or choose another folder", .0.display())]
    InUse(PathBuf),
    /// Choose another folder, or hand this one over.
    #[error("{} cannot be used: {reason}", path.display())]
    Refused {
        /// The folder.
        path: PathBuf,
        /// The reason and the remedy.
        reason: String,
    },
    /// Let the account in, or choose another folder.
    #[error(
        "PostgreSQL does not run as root and so runs as the user {user}, who may not enter {}; allow it (chmod o+x {}) or choose a data folder elsewhere, such as /var/lib/odograph",
        folder.display(),
        folder.display()
    )]
    Unreachable {
        /// The outermost folder that is closed.
        folder: PathBuf,
        /// The account that PostgreSQL runs as.
        user: String,
    },
    /// Read the program's output.
    #[error("{program} failed: {output}")]
    Program {
        /// The program's name.
        program: String,
        /// The end of what it wrote, or why it was stopped.
        output: String,
    },
    /// Read the log; a server that had been running can be started again.
    #[error("PostgreSQL ended ({status}); the end of its log, {}, says:\n{tail}", log.display())]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The whole log.
        log: PathBuf,
        /// Its end.
        tail: String,
    },
    /// Read the log; the machine may be very busy.
    #[error("PostgreSQL did not answer within {waited:?}; the end of its log, {}, says:\n{tail}", log.display())]
    NotReady {
        /// How long the start waited.
        waited: Duration,
        /// The whole log.
        log: PathBuf,
        /// Its end.
        tail: String,
    },
    /// The server runs, and a statement at its start failed.
    #[error("could not {what} on the private PostgreSQL")]
    Database {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: tokio_postgres::Error,
    },
    /// An operation on a file failed; the source says why.
    #[error("could not {what}")]
    Io {
        /// The operation and its path.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Names the failed operation, for `map_err`.
pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Io {
        what: what.into(),
        source,
    }
}
