//! The server, and rows that come beside it.

use super::events::Copy;
use crate::system::{Database, output};
use message::Client;
use std::process::Command;
use std::time::{Duration, Instant};
use testutil::{Process, Program};

/// A server, and where it listens.
pub(super) struct Server {
    pub(super) process: Process,
    url: String,
}

impl Server {
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.url, None, None)?)
    }
}

pub(super) async fn start(database: &Database) -> Server {
    let mut process = Program::new("messages")
        .env("DATABASE_URL", &database.url)
        .env("API_PORT", "0")
        .start()
        .await;
    let url = format!("http://{}", process.address("messages").await);
    Server { process, url }
}

/// Loads rows into `message`. Returns how long that took.
pub(super) fn load(database: &Database, copy: &Copy) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let load = format!("\\copy message from '{}' binary", copy.path().display());
    output(Command::new("psql").args(["-qX", "-d", &database.url, "-c", &load]))?;
    Ok(begin.elapsed())
}
