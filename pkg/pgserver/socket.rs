//! The socket's folder: a short, stable path, private to one user. It is the server's only access control:
//! any user who can enter it is superuser.

use super::account::Account;
use super::error::{Error, io};
use super::options::Options;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// PostgreSQL's own port, which also names the socket.
pub(super) const PORT: u16 = 5432;
/// Bytes of the longest path of a socket, on the system that allows least.
const LONGEST: usize = 103;

/// The server's socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    dir: PathBuf,
    port: u16,
    /// Whether this module chose the folder, and so removes it.
    chosen: bool,
}

impl Socket {
    /// Makes or checks the folder, and removes the socket and lock of a crashed server.
    pub(super) fn prepare(data_dir: &Path, options: &Options, account: &Account) -> Result<Self, Error> {
        let port = options.port.unwrap_or(PORT);
        let socket = match &options.socket_dir {
            Some(dir) => {
                let dir =
                    std::path::absolute(dir).map_err(io(format!("find the socket's folder {}", dir.display())))?;
                make_private(&dir, account)?;
                Self {
                    dir,
                    port,
                    chosen: false,
                }
            }
            None => Self {
                dir: choose(data_dir, account)?,
                port,
                chosen: true,
            },
        };
        let path = socket.path("");
        if path.as_os_str().len() > LONGEST {
            return Err(refused(
                &socket.dir,
                "a socket's path may have 103 bytes at most; choose a shorter one",
            ));
        }
        // The caller holds the data folder's lock and has ended its server, so these are stale. The lock
        // names a process whose number another one may have by now.
        for file in [path, socket.path(".lock")] {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io(format!("remove {}", file.display()))(error));
                }
                _ => {}
            }
        }
        Ok(socket)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Removes the folder after the server has ended, if it is empty and this module chose it.
    pub(super) fn tidy(&self) {
        if self.chosen {
            let _ = std::fs::remove_dir(&self.dir);
        }
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.dir.join(format!(".s.PGSQL.{}{ending}", self.port))
    }
}

fn choose(data_dir: &Path, account: &Account) -> Result<PathBuf, Error> {
    let name = format!("{:08x}", hash(data_dir));
    let me = nix::unistd::geteuid();
    let mut candidates = Vec::new();
    if me.is_root() {
        let house = Path::new("/run/odograph");
        // 0755: each server's own folder inside is private.
        if std::fs::DirBuilder::new().mode(0o755).create(house).is_ok()
            || house
                .symlink_metadata()
                .is_ok_and(|found| found.is_dir() && found.uid() == 0)
        {
            candidates.push(house.join(&name));
        }
    } else if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
    {
        candidates.push(runtime.join(format!("odograph-{name}")));
    }
    candidates.push(Path::new("/tmp").join(format!("odograph-{me}-{name}")));
    let mut failed = None;
    for dir in candidates
        .into_iter()
        .filter(|dir| dir.as_os_str().len() + 20 < LONGEST)
    {
        match make_private(&dir, account) {
            Ok(()) => return Ok(dir),
            // The runtime folder is missing, or /run is read-only.
            Err(error @ Error::Io { .. }) => failed = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(failed.unwrap_or_else(|| refused(Path::new("/tmp"), "no folder for the socket could be made")))
}

fn make_private(dir: &Path, account: &Account) -> Result<(), Error> {
    let failed = || format!("make the socket's folder {}", dir.display());
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => account.give(dir)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(failed())(error)),
    }
    // Not following links: a link in /tmp may be an attacker's.
    let found = dir.symlink_metadata().map_err(io(failed()))?;
    if !found.is_dir() {
        return Err(refused(
            dir,
            "it should be the socket's folder and is something else; remove it",
        ));
    }
    if found.uid() != account.uid() {
        // A crash between making the folder and changing its owner leaves an empty one of root.
        let ours = found.uid() == nix::unistd::geteuid().as_raw()
            && dir.read_dir().is_ok_and(|mut entries| entries.next().is_none());
        if !ours {
            return Err(refused(
                dir,
                "it should be the socket's private folder and belongs to another user; remove it, or choose another",
            ));
        }
        account.give(dir)?;
    }
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700)).map_err(io(failed()))
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::Refused {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// FNV-1a: the same path gives the same name with every compiler.
fn hash(path: &Path) -> u32 {
    path.as_os_str().as_bytes().iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
