//! nats-server: private streams on the shared server, and private servers that a test can kill.

use crate::running::Running;
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

/// The oldest version that the programs support.
const OLDEST: [u32; 3] = [2, 10, 8];

/// A URL on the server of this run with a unique stream name: `nats://127.0.0.1:PORT/NAME_…`.
///
/// # Panics
/// Outside `make test`.
#[must_use]
pub fn nats_url(name: &str) -> String {
    format!("{}/{}", crate::variable("TEST_NATS_URL"), crate::unique(name))
}

/// Settings of a private server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether each message is on disk before it is acknowledged, as in the manifests.
    pub sync_always: bool,
    /// Whether it runs without JetStream, as a server does by default.
    pub without_jetstream: bool,
    /// More lines for the configuration file.
    pub extra: String,
    /// The port; 0 picks a free one. While the server is down, an outgoing connection may take a port
    /// from the range of those.
    pub port: u16,
    /// Its log; by default in its folder.
    pub log: Option<PathBuf>,
}

/// A private nats-server, with its files in a temporary folder.
#[derive(Debug)]
pub struct Nats {
    folder: TempDir,
    options: Options,
    port: u16,
    server: Option<Running>,
}

impl Nats {
    /// Starts a server on a free port.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start(options: Options) -> Self {
        Self::try_start(options)
            .await
            .unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// As [`Nats::start`], with an error.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub async fn try_start(options: Options) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for nats-server")?;
        let mut nats = Self {
            folder,
            port: options.port,
            options,
            server: None,
        };
        nats.launch().await?;
        Ok(nats)
    }

    /// `nats://127.0.0.1:PORT`, the same after a restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The server's process id.
    ///
    /// # Panics
    /// When it is stopped.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("the test has not stopped it").pid()
    }

    /// Settings of the next start.
    pub fn options(&mut self) -> &mut Options {
        &mut self.options
    }

    /// The process, while it runs.
    pub fn running(&mut self) -> Option<&mut Running> {
        self.server.as_mut()
    }

    /// Stops the server cleanly; its files stay.
    pub async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Kills the server; its files stay.
    pub async fn kill9(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill9().await;
        }
    }

    /// Starts the server again on the same port and files, stopping it first where it runs.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.try_restart().await.unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// As [`Nats::restart`], with an error.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn try_restart(&mut self) -> anyhow::Result<()> {
        self.stop().await;
        self.launch().await
    }

    /// Deletes the files of the stopped server, like a new disk.
    ///
    /// # Panics
    /// When it runs, or its files cannot be deleted.
    pub fn empty(&mut self) {
        assert!(
            self.server.is_none(),
            "the server has to be stopped before its disk is emptied"
        );
        let store = self.folder.path().join("store");
        std::fs::remove_dir_all(&store).unwrap_or_else(|error| panic!("delete {}: {error}", store.display()));
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let config = folder.join("nats.conf");
        std::fs::write(&config, self.config()).context("write nats-server's configuration")?;
        let mut command = Command::new(crate::tool("nats-server"));
        command.arg("--config").arg(&config);
        let install = "run scripts/install-nats.sh";
        let log = self.options.log.clone().unwrap_or_else(|| folder.join("nats.log"));
        let mut server = Running::start("nats-server", &mut command, &log, install)?;
        // The server chose a free port itself, so that no other program takes it first, and wrote it down.
        let file = folder.join(format!("nats-server_{}.ports", server.pid()));
        let known = self.port;
        let port = server
            .until(|| async { if known == 0 { written_port(&file) } else { Some(known) } })
            .await?;
        let info = server.until(|| async { greeting(port).await.ok() }).await?;
        ensure!(
            (info["jetstream"] == true) != self.options.without_jetstream,
            "nats-server has JetStream where it should not, or none: {info}"
        );
        let version = info["version"].as_str().unwrap_or_default();
        ensure!(
            numbers(version) >= OLDEST,
            "nats-server {version} is too old, 2.10.8 or newer is needed; {install}"
        );
        self.port = port;
        self.server = Some(server);
        Ok(())
    }

    fn config(&self) -> String {
        let folder = self.folder.path().display();
        let port = if self.port == 0 {
            "-1".to_owned()
        } else {
            self.port.to_string()
        };
        let sync = if self.options.sync_always {
            "sync_interval: always"
        } else {
            ""
        };
        let jetstream = if self.options.without_jetstream {
            String::new()
        } else {
            // Streams reserve their whole size at once, and many tests share the server.
            format!("jetstream {{\n  store_dir: \"{folder}/store\"\n  max_file_store: 1TB\n  {sync}\n}}\n")
        };
        format!(
            "listen: \"127.0.0.1:{port}\"\nports_file_dir: \"{folder}\"\n{jetstream}{}\n",
            self.options.extra
        )
    }
}

/// The port in the file that the server writes when it is ready.
fn written_port(file: &Path) -> Option<u16> {
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}

/// The server's greeting on a connection.
async fn greeting(port: u16) -> anyhow::Result<serde_json::Value> {
    let read = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut line = String::new();
        BufReader::new(&mut stream).take(65536).read_line(&mut line).await?;
        Ok(serde_json::from_str(line.strip_prefix("INFO ").unwrap_or_default())?)
    };
    timeout(Duration::from_secs(5), read).await?
}

fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_private_server_keeps_its_port_over_a_kill() {
        let mut nats = Nats::start(Options {
            sync_always: true,
            ..Options::default()
        })
        .await;
        let (url, port) = (nats.url(), nats.port);
        assert_eq!(greeting(port).await.unwrap()["port"], port);
        nats.kill9().await;
        assert!(greeting(port).await.is_err(), "it still answers after the kill");
        nats.restart().await;
        assert_eq!(nats.url(), url);
        let pid = nats.pid();
        nats.restart().await;
        assert_ne!(nats.pid(), pid);
        nats.stop().await;
        assert!(greeting(port).await.is_err(), "it still answers after the stop");
    }

    #[tokio::test]
    async fn a_server_that_does_not_start_shows_its_log() {
        let error = Nats::try_start(Options {
            extra: "no_such_setting: 1".to_owned(),
            ..Options::default()
        })
        .await
        .unwrap_err();
        assert!(error.to_string().contains("no_such_setting"), "{error}");
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("2.9.10") < OLDEST);
        assert!(numbers("2.10.7") < OLDEST);
        assert!(numbers("2.10.27") >= OLDEST);
        assert!(numbers("2.11.0-RC.1") >= OLDEST);
    }
}
