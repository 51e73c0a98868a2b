//! The socket's folder: short, stable, and nobody else's. Who can enter it is the superuser of
//! this server, so it is the whole of its access control.

use super::account::Account;
use super::{Error, Options, io};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// PostgreSQL's own port, which also names the socket.
pub(super) const PORT: u16 = 5432;
/// The longest path of a socket, on the system that allows least.
const LONGEST: usize = 103;

/// Where the server is reached.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    dir: PathBuf,
    port: u16,
    /// Whether the folder was chosen here, and so is tidied away.
    chosen: bool,
}

impl Socket {
    /// Makes the folder, or checks the one that is there, and removes what a crashed server left.
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
        // The caller holds the data folder's lock and has ended what ran on it, so these are
        // nobody's; the lock names a process whose number may be another's by now.
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

    /// Removes the folder after the server has ended, if it is empty and was chosen here.
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
        // Made 0755: each server's own folder inside is the private one.
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
            // A runtime folder that is not there, or a /run that cannot be written to.
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
    // Not following links: a link in /tmp may be somebody's trap.
    let found = dir.symlink_metadata().map_err(io(failed()))?;
    if !found.is_dir() {
        return Err(refused(
            dir,
            "it should be the socket's folder and is something else; remove it",
        ));
    }
    if found.uid() != account.uid() {
        // A crash between making it and handing it over leaves an empty one of root's.
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
