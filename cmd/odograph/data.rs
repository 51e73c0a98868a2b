//! The data folder of `odograph up`: its key, its database, its dumps.

use anyhow::Context;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file of the key that lets clients write.
const API_KEY: &str = "api-key";

/// The file of the key that manages subscriptions.
pub(crate) const MANAGEMENT_KEY: &str = "management-key";

/// The file of the key that the secrets of subscriptions are made from.
pub(crate) const SIGNING_KEY: &str = "signing-key";

/// The file of the key of the user who runs `odograph up`, for the journal.
pub(crate) const JOURNAL_KEY: &str = "journal-key";

/// A writable folder.
#[derive(Clone, Debug)]
pub(crate) struct Data(PathBuf);

impl Data {
    /// Opens the named folder, or this user's default one, and creates it if it is missing.
    pub(crate) fn open(named: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = match named {
            Some(path) => path,
            None => usual().context("this user has no home folder; name a data folder with --data-dir")?,
        };
        // Other users may pass through it: PostgreSQL runs as another user when this is root.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&path)
            .with_context(|| format!("make the data folder {}; name another with --data-dir", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("open the data folder {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of PostgreSQL's data.
    pub(crate) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    /// The folder of the dumps.
    pub(crate) fn dumps(&self) -> PathBuf {
        self.0.join("dumps")
    }

    /// The key that lets clients write.
    pub(crate) fn key(&self) -> anyhow::Result<String> {
        self.secret(API_KEY)
    }

    /// The secret of this name, made at the first time; only its owner can read it.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<String> {
        let path = self.0.join(name);
        let failed = || format!("keep the key in {}", path.display());
        match fs::read_to_string(&path) {
            Ok(key) if !key.trim().is_empty() => return Ok(key.trim().to_owned()),
            // An interrupted start leaves an empty file; that key was never shown.
            Ok(_) => fs::remove_file(&path).with_context(failed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(failed),
        }
        let (key, _) = access::generate(None, None);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(failed)?;
        writeln!(file, "{key}")
            .and_then(|()| file.sync_all())
            .with_context(failed)?;
        Ok(key)
    }
}

/// The text of a file in the named data folder, or in this user's default one; none if it is not there. Makes no folder.
pub(crate) fn kept(named: Option<&Path>, file: &str) -> Option<String> {
    let folder = named.map(Path::to_owned).or_else(usual)?;
    let text = fs::read_to_string(folder.join(file)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// `/var/lib/odograph` for root, whose home is closed to other users; otherwise the user's own.
fn usual() -> Option<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Some("/var/lib/odograph".into());
    }
    let own = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    own("XDG_DATA_HOME")
        .or_else(|| own("HOME").map(|home| home.join(".local/share")))
        .map(|share| share.join("odograph"))
}
