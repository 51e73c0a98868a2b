//! Private PostgreSQL servers that a test can kill.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pgserver::{Error, Options, Server};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The folder, port and log of a private PostgreSQL.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder in which it makes its own, which it removes.
    pub parent: PathBuf,
    /// A port of 127.0.0.1 to listen on, beside the socket.
    pub port: Option<u16>,
    /// Its log; by default beside the data.
    pub log: Option<PathBuf>,
}

/// A private PostgreSQL, with its data in a temporary folder. Dropping it kills it.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    place: Place,
    settings: Vec<(String, String)>,
    tcp: Option<u16>,
    url: String,
    server: Option<Server>,
}

impl Postgres {
    /// Starts a server with PostgreSQL's own settings.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with these settings, as in `postgresql.conf`.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::try_start(settings)
            .await
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Starts a server that also listens on TCP, with a certificate of this authority. Over TCP, the user
    /// `odograph` needs the password `hunter2`.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start_with_tls(authority: &crate::Authority) -> Self {
        let mut postgres = Self::start().await;
        postgres.stop().await;
        let data = postgres.folder.path().join("data");
        let account = std::fs::metadata(&data).expect("PostgreSQL has made its folder");
        for path in authority.write(&data) {
            std::os::unix::fs::chown(&path, Some(account.uid()), Some(account.gid()))
                .expect("the file can be handed over");
            // PostgreSQL refuses a key that others can read.
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("the file is ours");
        }
        let settings = [
            ("ssl", "on"),
            ("ssl_cert_file", "cert.pem"),
            ("ssl_key_file", "key.pem"),
        ];
        postgres.settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        postgres.tcp = Some(free.expect("there is a free port").port());
        postgres
            .launch()
            .await
            .unwrap_or_else(|error| panic!("{}", chain(&error)));
        let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), rules).expect("PostgreSQL has written its rules there");
        let (client, connection) = tokio_postgres::connect(postgres.url(), tokio_postgres::NoTls)
            .await
            .expect("PostgreSQL answers");
        tokio::spawn(connection);
        let change = "ALTER ROLE odograph PASSWORD 'hunter2'";
        client.batch_execute(change).await.expect("the role is there");
        client
            .batch_execute("SELECT pg_reload_conf()")
            .await
            .expect("PostgreSQL reads its rules");
        postgres
    }

    /// The database's URL over TCP, for a server that listens there.
    ///
    /// # Panics
    /// Without [`Postgres::start_with_tls`].
    #[must_use]
    pub fn tcp_url(&self) -> String {
        let port = self.tcp.expect("the test has started it with TLS");
        format!("postgres://odograph:hunter2@127.0.0.1:{port}/odograph")
    }

    /// As [`Postgres::start_with`], with an error.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub async fn try_start(settings: &[(&str, &str)]) -> Result<Self, Error> {
        let place = Place {
            parent: std::env::temp_dir(),
            port: None,
            log: None,
        };
        Self::try_start_in(place, settings).await
    }

    /// As [`Postgres::try_start`], in this place.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub async fn try_start_in(place: Place, settings: &[(&str, &str)]) -> Result<Self, Error> {
        let failed = |source| Error::Io {
            what: "make a folder for PostgreSQL".to_owned(),
            source,
        };
        let folder = tempfile::tempdir_in(&place.parent).map_err(failed)?;
        // As root, PostgreSQL runs as another user, who has to enter the folder.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).map_err(failed)?;
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut postgres = Self {
            folder,
            place,
            settings,
            tcp: None,
            url: String::new(),
            server: None,
        };
        postgres.launch().await?;
        Ok(postgres)
    }

    /// The database's URL, the same after a restart.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The postmaster's process id.
    ///
    /// # Panics
    /// When it is stopped.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("the test has not stopped it").pid()
    }

    /// Sends a signal to the postmaster and all its children.
    pub fn signal(&self, signal: Signal) {
        if let Some(server) = &self.server {
            signal_all(server.pid(), signal);
        }
    }

    /// Why it ended on its own, if it has.
    pub async fn ended(&mut self) -> Option<String> {
        let server = self.server.as_mut()?;
        let error = timeout(Duration::ZERO, server.exited()).await.ok()?;
        Some(error.to_string())
    }

    /// Stops the server cleanly; its data stays.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(STOP_TIMEOUT).await;
        }
    }

    /// Kills the postmaster and all its children, as a power cut would; its data stays.
    pub async fn kill9(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal_all(server.pid(), Signal::SIGKILL);
            let _ = timeout(STOP_TIMEOUT, server.exited()).await;
        }
    }

    /// Starts the server again on the same data, stopping it first where it runs.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.try_restart()
            .await
            .unwrap_or_else(|error| panic!("{}", chain(&error)));
    }

    /// As [`Postgres::restart`], with an error.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn try_restart(&mut self) -> Result<(), Error> {
        self.stop().await;
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), Error> {
        let mut options = Options::new(self.folder.path().join("data"));
        options.socket_dir = Some(self.folder.path().join("socket"));
        options.port = self.tcp.or(self.place.port);
        if let Some(log) = &self.place.log {
            options.log.clone_from(log);
        }
        options.settings.clone_from(&self.settings);
        let server = Server::start(options).await?;
        self.url = server.url();
        self.server = Some(server);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The data is removed as well, so there is no need to end cleanly.
        if let Some(server) = &self.server {
            signal_all(server.pid(), Signal::SIGKILL);
        }
    }
}

fn signal_all(postmaster: u32, signal: Signal) {
    // The parent first, or it would restart its killed children.
    for pid in std::iter::once(postmaster).chain(children(postmaster)) {
        if let Ok(pid) = i32::try_from(pid) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// The children of a process; none without a `/proc`. PostgreSQL's children end on their own shortly after
/// their parent.
fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, in brackets and with any characters: the state, then the parent.
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(url: &str, statement: &str) -> Result<i32, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client.query_one(statement, &[]).await?.get(0))
    }

    #[tokio::test]
    async fn what_was_committed_outlives_a_kill() {
        let mut postgres = Postgres::start_with(&[("max_connections", "19")]).await;
        let url = postgres.url().to_owned();
        assert_eq!(
            ask(&url, "SELECT current_setting('max_connections')::int")
                .await
                .unwrap(),
            19
        );
        assert_eq!(ask(&url, "WITH made AS (SELECT 1) SELECT 7").await.unwrap(), 7);
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
            .await
            .unwrap();
        let workers = children(postgres.pid());
        assert!(!workers.is_empty());
        postgres.kill9().await;
        assert!(ask(&url, "SELECT 1").await.is_err(), "it still answers after the kill");
        postgres.restart().await;
        assert_eq!(postgres.url(), url);
        assert_eq!(ask(&url, "SELECT n FROM kept").await.unwrap(), 42);
    }
}
