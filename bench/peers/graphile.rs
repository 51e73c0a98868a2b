//! graphile-worker 0.18: a queue in PostgreSQL, whose workers run in Node.js. Here each job sends a webhook.

use super::installed::{INSTALL, installed};
use crate::system::output;
use anyhow::Context;
use std::process::Command;
use tempfile::TempDir;
use testutil::{Running, workspace};

/// A worker, killed when this is dropped.
pub(crate) struct Worker {
    _running: Running,
    _log: TempDir,
}

/// Makes the tables of its queue, if graphile-worker is installed. Returns whether it is.
pub(crate) fn prepare(database: &str) -> anyhow::Result<bool> {
    let Some(mut node) = node(database) else {
        return Ok(false);
    };
    output(node.arg("migrate"))?;
    Ok(true)
}

/// Starts a worker that has so many requests to this URL under way at once.
pub(crate) fn start(database: &str, target: &str, at_once: usize) -> anyhow::Result<Worker> {
    let mut command = tokio::process::Command::from(node(database).context(INSTALL)?);
    let log = tempfile::tempdir()?;
    command.env("TARGET_URL", target).env("AT_ONCE", at_once.to_string());
    let running = Running::start("graphile-worker", &mut command, &log.path().join("log"), INSTALL)?;
    Ok(Worker {
        _running: running,
        _log: log,
    })
}

/// The command of the script beside this file.
fn node(database: &str) -> Option<Command> {
    let mut node = Command::new(installed("graphile-node")?);
    node.arg(workspace().join("bench/peers/graphile.js"))
        .env("NODE_PATH", workspace().join(".tools/graphile/node_modules"))
        .env("DATABASE_URL", database);
    Some(node)
}
