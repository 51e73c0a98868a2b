//! An `odograph up` over a database of its own, and uploads to it.

use crate::http::Connection;
use crate::system::{Database, KEY, Servers, connect};
use anyhow::ensure;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use tempfile::TempDir;
use testutil::{Process, Program};

/// A running `odograph up`. Its bus is in memory, so an upload is answered once its readings are committed.
pub(super) struct Server {
    pub(super) process: Process,
    /// The address of the page, the API and uploads.
    pub(super) url: String,
    address: SocketAddr,
    database: Database,
    _folder: TempDir,
}

impl Server {
    pub(super) async fn start(servers: &Servers) -> anyhow::Result<Self> {
        let database = servers.database().await?;
        let folder = tempfile::tempdir()?;
        let ports = ["--journal-port", "0", "--messages-port", "0", "--notifier-port", "0"];
        let mut process = Program::new("odograph")
            .arg("up")
            .args(ports)
            .arg("--data-dir")
            .arg(folder.path())
            .env("DATABASE_URL", &database.url)
            .env("API_KEY", KEY)
            .start()
            .await;
        Ok(Self {
            url: process.url().await,
            address: process.address("main").await,
            process,
            database,
            _folder: folder,
        })
    }

    /// A connection that uploads.
    pub(super) async fn connect(&self) -> anyhow::Result<Connection> {
        Ok(Connection::open(self.address).await?.bearing(KEY))
    }

    /// Does what the database would do by itself some minutes after a large upload.
    pub(super) async fn tidy(&self) -> anyhow::Result<()> {
        let client = connect(&self.database.url).await?;
        for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
            client.batch_execute(statement).await?;
        }
        Ok(())
    }

    pub(super) async fn end(self, servers: &Servers) -> anyhow::Result<()> {
        drop(self.process);
        servers.forget(&self.database).await
    }
}

/// Uploads lines. They are committed when this returns.
pub(super) async fn upload(connection: &mut Connection, lines: String) -> anyhow::Result<()> {
    let answer = connection.post("/ingest", lines.into()).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    ensure!(answer["rejected"] == 0, "{answer}");
    Ok(())
}

/// Adds a line for a reading.
pub(super) fn line(lines: &mut String, device: &str, sensor: &str, value: f64, moment: Timestamp) {
    // Writing to a String does not fail.
    let _ = writeln!(
        lines,
        r#"{{"device":"{device}","sensor":"{sensor}","value":{value},"timestamp":"{moment}"}}"#
    );
}
