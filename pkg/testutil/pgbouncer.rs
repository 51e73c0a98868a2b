//! PgBouncer in front of a PostgreSQL.

use crate::running::Running;
use anyhow::Context;
use nix::unistd::{Uid, User};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio_postgres::config::Host;

/// The port that names its socket.
const PORT: u16 = 6432;

/// A private PgBouncer, with its socket in a temporary folder. Dropping it kills it.
#[derive(Debug)]
pub struct PgBouncer {
    folder: TempDir,
    database: String,
    _server: Running,
}

impl PgBouncer {
    /// Starts a PgBouncer in front of the database of this URL, which names a socket, with this `pool_mode`
    /// and these further settings.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start(url: &str, mode: &str, settings: &[&str]) -> Self {
        Self::try_start(url, mode, settings)
            .await
            .unwrap_or_else(|error| panic!("{error:#}"))
    }

    async fn try_start(url: &str, mode: &str, settings: &[&str]) -> anyhow::Result<Self> {
        let config: tokio_postgres::Config = url.parse().context("read the database's URL")?;
        let Some(Host::Unix(socket)) = config.get_hosts().first() else {
            anyhow::bail!("the database's URL names no socket");
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let user = config.get_user().context("the database's URL names no user")?;
        let database = config.get_dbname().context("the database's URL names no database")?;
        let folder = tempfile::tempdir().context("make a folder for PgBouncer")?;
        // As root, it runs as the owner of PostgreSQL's socket, who may enter its folder.
        let owner = socket.metadata().context("look at PostgreSQL's socket")?.uid();
        let account = User::from_uid(Uid::from_raw(owner))?.context("PostgreSQL's account has no name")?;
        std::os::unix::fs::chown(folder.path(), Some(owner), None).context("hand PgBouncer its folder")?;
        let config = folder.path().join("pgbouncer.ini");
        let mut text = format!(
            "[databases]\n* = host={} port={port} user={user}\n[pgbouncer]\npool_mode = {mode}\nauth_type = any\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {}\n",
            socket.display(),
            folder.path().display(),
        );
        if Uid::effective().is_root() {
            text += &format!("user = {}\n", account.name);
        }
        for line in settings {
            text += &format!("{line}\n");
        }
        std::fs::write(&config, text).context("write PgBouncer's configuration")?;
        let mut command = Command::new(program());
        command.arg(&config);
        let log = folder.path().join("pgbouncer.log");
        let install = "run scripts/install-pgbouncer.sh";
        let mut server = Running::start("pgbouncer", &mut command, &log, install)?;
        let listens = folder.path().join(format!(".s.PGSQL.{PORT}"));
        server
            .until(|| async { UnixStream::connect(&listens).await.ok() })
            .await?;
        Ok(Self {
            database: database.to_owned(),
            folder,
            _server: server,
        })
    }

    /// The database's URL through PgBouncer.
    #[must_use]
    pub fn url(&self) -> String {
        let (database, folder) = (&self.database, self.folder.path().display());
        format!("postgres://odograph@/{database}?host={folder}&port={PORT}")
    }
}

/// The program; Debian installs it outside a user's `PATH`.
fn program() -> PathBuf {
    let program = crate::tool("pgbouncer");
    let debian = Path::new("/usr/sbin/pgbouncer");
    if program.is_relative() && debian.is_file() {
        debian.to_owned()
    } else {
        program
    }
}
