//! Folders and settings of a server.

use super::folder;
use std::path::PathBuf;

/// Folders and settings of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder; made when absent, refused when it holds other files. Files beside it with its
    /// name and an ending (`.lock`, `.initdb`) belong to it.
    pub data_dir: PathBuf,
    /// The socket's folder, private to this server; by default a short and stable path, since a
    /// socket's path ends at 107 bytes.
    pub socket_dir: Option<PathBuf>,
    /// Port of 127.0.0.1 to listen on as well; for tests. Every user of the machine can connect to it
    /// without a password.
    pub port: Option<u16>,
    /// Settings as in `postgresql.conf`. This module's own settings override them.
    pub settings: Vec<(String, String)>,
    /// The server's log; appended to.
    pub log: PathBuf,
}

impl Options {
    /// A server in `data_dir` with its log beside it, on a socket only.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let log = folder::beside(&data_dir, ".log");
        Self {
            data_dir,
            socket_dir: None,
            port: None,
            settings: Vec::new(),
            log,
        }
    }
}
