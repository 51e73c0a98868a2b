//! Where the peers' programs are, and where they may listen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

/// What to do where a peer cannot be started.
pub(super) const INSTALL: &str = "run `make bench-peers`";

/// The path of a program in `.tools/bin`, else in a folder of `PATH`.
pub(super) fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(testutil::workspace().join(".tools/bin"))
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A free address. With port 0, a peer would choose a port and not report it.
pub(super) fn free() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
