//! A private PostgreSQL: made and started from the programs installed on this machine, in a folder of its
//! own, reached over a unix socket, and stopped with the [`Server`] that owns it.
//!
//! ```no_run
//! # async fn run() -> Result<(), pgserver::Error> {
//! let server = pgserver::Server::start(pgserver::Options::new("/var/lib/odograph/postgres")).await?;
//! println!("psql {}", server.url());
//! server.stop(std::time::Duration::from_secs(20)).await;
//! # Ok(())
//! # }
//! ```
//!
//! A start cleans up after the last run: it begins an interrupted `initdb` again, stops a server that
//! outlived its owner, and removes a pid file of another program. `fsync` stays on.
//!
//! Deliberately not here: backups, upgrades between major versions, and replication. For those, run a
//! PostgreSQL of your own.

mod account;
mod binaries;
mod error;
mod folder;
mod leftover;
mod options;
mod socket;
#[cfg(test)]
mod tests;

use account::Account;
pub use binaries::Binaries;
pub use error::Error;
use error::io;
use folder::{Folder, USER};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
pub use options::Options;
use repeat::Pauses;
use socket::Socket;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// The database that [`Server::url`] names.
const DATABASE: &str = "odograph";
/// How long a start may take, including the replay of a long write-ahead log after a crash.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two tries to connect to a server that starts.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long the workers of a killed server may hold its memory before a start gives up.
const ORPHANS_TIMEOUT: Duration = Duration::from_secs(30);
/// A log of more bytes is set aside at the next start.
const LOG_BYTES: u64 = 8 * 1024 * 1024;

/// A running PostgreSQL and the only owner of its data folder.
///
/// Dropping it without [`Server::stop`] asks the server for a fast shutdown and does not wait. A fast
/// shutdown closes every session and writes a checkpoint, so that the next start recovers nothing.
/// Killing would be safe as well, but leaves that work to the next start. A start on the same folder
/// waits until the server has ended.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pid: u32,
    socket: Socket,
    tcp: Option<u16>,
    binaries: Binaries,
    log: Log,
    /// Locked while the server runs.
    lock: File,
}

impl Server {
    /// Starts a server and returns when it takes connections. Makes the data folder and the database where
    /// they are absent.
    ///
    /// # Errors
    /// See [`Error`]; a started server has then been asked to end.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let folder = Folder::claim(&options.data_dir)?;
        let account = Account::of(folder.path())?;
        account.check_entry(folder.path()).await?;
        let binaries = Binaries::matching(folder.path(), folder.version()?).await?;
        leftover::end(folder.path(), &binaries, &account).await?;
        if folder.version()?.is_none() {
            folder.create(&binaries, &account).await?;
        }
        folder.admit(options.port.is_some(), &account)?;
        let socket = Socket::prepare(folder.path(), &options, &account)?;
        account.check_entry(socket.dir()).await?;

        let command = arguments(&binaries, folder.path(), &socket, &options);
        let give_up = Instant::now() + ORPHANS_TIMEOUT;
        let mut lock = folder.into_lock();
        loop {
            let log = Log::open(&options.log)?;
            let child = spawn(&account, &binaries, &command, &log)?;
            let pid = child.id().unwrap_or_default();
            let mut server = Self {
                child,
                pid,
                socket: socket.clone(),
                tcp: options.port,
                binaries: binaries.clone(),
                log,
                lock,
            };
            match server.ready().await {
                Ok(()) => return Ok(server),
                // The workers of a killed server hold its memory until they notice.
                Err(Error::Ended { tail, .. })
                    if tail.contains("pre-existing shared memory block") && Instant::now() < give_up =>
                {
                    tracing::debug!("waiting for the workers of a killed PostgreSQL to end");
                    lock = server
                        .lock
                        .try_clone()
                        .map_err(io("keep the lock on the data folder"))?;
                    sleep(Duration::from_millis(100)).await;
                }
                Err(error) => {
                    server.socket.tidy();
                    return Err(error);
                }
            }
        }
    }

    /// The database's URL, over the socket: `postgres://odograph@/odograph?host=…`.
    #[must_use]
    pub fn url(&self) -> String {
        let port = if self.socket.port() == socket::PORT {
            String::new()
        } else {
            format!("&port={}", self.socket.port())
        };
        format!(
            "postgres://{USER}@/{DATABASE}?host={}{port}",
            percent::encode_path(self.socket.dir().as_os_str().as_bytes())
        )
    }

    /// The database's URL over TCP, with [`Options::port`].
    #[must_use]
    pub fn tcp_url(&self) -> Option<String> {
        self.tcp
            .map(|port| format!("postgres://{USER}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"))
    }

    /// A `psql` command to paste into a shell of this machine.
    #[must_use]
    pub fn psql(&self) -> String {
        let dir = self.socket.dir().display().to_string();
        format!(
            "{} -h {} -p {} -U {USER} {DATABASE}",
            quoted(&self.binaries.psql()),
            quoted(&dir),
            self.socket.port()
        )
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the server ends on its own; returns the reason. Safe to cancel.
    pub async fn exited(&mut self) -> Error {
        match self.child.wait().await {
            Ok(status) => Error::Ended {
                status,
                log: self.log.path.clone(),
                tail: self.log.tail(),
            },
            Err(source) => Error::Io {
                what: "wait for PostgreSQL".to_owned(),
                source,
            },
        }
    }

    /// Stops the server: it closes sessions and writes a checkpoint. Past the deadline it is stopped
    /// hard, which loses no commit but leaves recovery to the next start.
    pub async fn stop(mut self, deadline: Duration) {
        self.signal(Signal::SIGINT);
        if timeout(deadline, self.child.wait()).await.is_err() {
            tracing::warn!(
                ?deadline,
                "PostgreSQL did not stop in time: ending it at once; it recovers at its next start"
            );
            self.signal(Signal::SIGQUIT);
            // It gives its workers five seconds, then kills them.
            if timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
                self.signal(Signal::SIGKILL);
                let _ = timeout(Duration::from_secs(5), self.child.wait()).await;
            }
        }
        self.socket.tidy();
    }

    fn signal(&self, signal: Signal) {
        // No id: it has ended, and another process may have its number by now.
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // An error means that it has just ended.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Waits until the server takes connections, and makes the database.
    async fn ready(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let mut pauses = Pauses::between(Duration::from_millis(10), LONGEST_PAUSE);
        loop {
            let socket = self.socket.clone();
            let next = async {
                let attempt = timeout(Duration::from_secs(5), connect(&socket)).await;
                if !matches!(attempt, Ok(Ok(_))) {
                    sleep(pauses.grow()).await;
                }
                attempt
            };
            let attempt = tokio::select! {
                ended = self.exited() => return Err(ended),
                attempt = next => attempt,
            };
            if let Ok(Ok(client)) = attempt {
                let made = timeout(START_TIMEOUT, create_database(&client)).await;
                return made.unwrap_or_else(|_| Err(self.not_ready(started)));
            }
            if started.elapsed() > START_TIMEOUT {
                return Err(self.not_ready(started));
            }
        }
    }

    fn not_ready(&self, started: Instant) -> Error {
        Error::NotReady {
            waited: started.elapsed(),
            log: self.log.path.clone(),
            tail: self.log.tail(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::SIGINT);
    }
}

/// The server's log and the offset of this run's part.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    begin: u64,
    file: File,
}

impl Log {
    fn open(path: &Path) -> Result<Self, Error> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(io(format!("make the folder {}", parent.display())))?;
        }
        if path.metadata().is_ok_and(|log| log.len() > LOG_BYTES) {
            std::fs::rename(path, folder::beside(path, ".1"))
                .map_err(io(format!("set the long log {} aside", path.display())))?;
        }
        let opened = File::options().create(true).append(true).open(path);
        let file = opened.map_err(io(format!("open the log {}", path.display())))?;
        let begin = file.metadata().map_or(0, |log| log.len());
        Ok(Self {
            path: path.to_owned(),
            begin,
            file,
        })
    }

    /// The end of this run's part of the log.
    fn tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.begin.max(end.saturating_sub(4096))))?;
            let mut bytes = Vec::new();
            file.take(4096).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        read().unwrap_or_else(|error| format!("(the log could not be read: {error})"))
    }
}

fn arguments(binaries: &Binaries, data_dir: &Path, socket: &Socket, options: &Options) -> Vec<String> {
    let ours = [
        (
            "listen_addresses",
            if options.port.is_some() {
                "127.0.0.1".to_owned()
            } else {
                String::new()
            },
        ),
        ("port", socket.port().to_string()),
        // A list, in which quotes keep a path with a comma in one piece.
        (
            "unix_socket_directories",
            format!("\"{}\"", socket.dir().display().to_string().replace('"', "\"\"")),
        ),
        ("unix_socket_permissions", "0700".to_owned()),
        ("hba_file", data_dir.join("pg_hba.conf").display().to_string()),
        ("fsync", "on".to_owned()),
        ("full_page_writes", "on".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        // This module reads the log, so it is in English. No program rotates it while the server runs,
        // so it is terse.
        ("lc_messages", "C".to_owned()),
        ("log_destination", "stderr".to_owned()),
        ("logging_collector", "off".to_owned()),
        ("log_checkpoints", "off".to_owned()),
    ];
    let mut arguments = vec![
        binaries.program("postgres").display().to_string(),
        "-D".to_owned(),
        data_dir.display().to_string(),
    ];
    let theirs = options.settings.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in theirs.chain(ours.iter().map(|(name, value)| (*name, value))) {
        arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    arguments
}

fn spawn(account: &Account, binaries: &Binaries, arguments: &[String], log: &Log) -> Result<Child, Error> {
    let copy = || log.file.try_clone().map_err(io("hand the log to PostgreSQL"));
    let mut command: Command = account.command(&binaries.program("postgres"));
    command.args(&arguments[1..]).stdout(copy()?).stderr(copy()?);
    command.spawn().map_err(io(format!("start {}", arguments[0])))
}

async fn connect(socket: &Socket) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(socket.dir())
        .port(socket.port())
        .user(USER)
        .dbname("postgres");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    // Ends with the client, which gets its error, too.
    tokio::spawn(connection);
    Ok(client)
}

async fn create_database(client: &tokio_postgres::Client) -> Result<(), Error> {
    let failed = |source| Error::Database {
        what: "create the database",
        source,
    };
    let there = client
        .query_opt("SELECT FROM pg_database WHERE datname = $1", &[&DATABASE])
        .await
        .map_err(failed)?;
    if there.is_none() {
        client
            .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    if word
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@:".contains(&byte))
    {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
