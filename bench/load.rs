//! The load generator: wrk, a closed loop over 64 connections that stay open. Its script checks every
//! answer; an unexpected one counts as an error.

use crate::system::output;
use anyhow::{Context, ensure};
use std::process::Command;
use tempfile::TempDir;

/// Connections kept open.
pub(crate) const CONNECTIONS: usize = 64;

/// wrk and its script.
pub(crate) struct Generator {
    folder: TempDir,
}

/// Results of a run of wrk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Requests a second.
    pub(crate) rate: f64,
    /// The 99th percentile of answer times, in milliseconds.
    pub(crate) slow: f64,
}

/// The requests of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    /// `GET` of this URL; the answer has to be 200 and contain `good`.
    Get { url: &'a str, good: &'a str },
    /// `POST` of six readings to the ingestor of this URL, after a pause in milliseconds. Each
    /// connection is a vehicle that drives since midnight of this day.
    Post {
        url: &'a str,
        key: &'a str,
        day: &'a str,
        pause: f64,
    },
}

impl Generator {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("load.lua"), include_str!("load.lua"))?;
        Ok(Self { folder })
    }

    /// Runs for this number of seconds.
    pub(crate) async fn run(&self, ask: Ask<'_>, seconds: u64) -> anyhow::Result<Outcome> {
        let mut command = Command::new("wrk");
        command
            .args(["-t1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{seconds}s")])
            .args(["--timeout", "10s", "-s"])
            .arg(self.folder.path().join("load.lua"));
        match ask {
            Ask::Get { url, good } => command.args([url, "--", "get", good]),
            Ask::Post { url, key, day, pause } => command.args([
                url,
                "--",
                "post",
                key,
                day,
                &CONNECTIONS.to_string(),
                &pause.to_string(),
            ]),
        };
        let text = tokio::task::spawn_blocking(move || output(&mut command)).await??;
        let result = text
            .lines()
            .find_map(|line| line.strip_prefix("RESULT "))
            .with_context(|| format!("wrk printed no result: {text}"))?;
        let numbers: Vec<f64> = result.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [requests, micros, slow, errors] = numbers[..] else {
            anyhow::bail!("wrk's result is not one: {result}");
        };
        ensure!(errors == 0.0, "{errors} of {requests} answers were wrong: {text}");
        Ok(Outcome {
            rate: requests * 1e6 / micros,
            slow: slow / 1e3,
        })
    }
}
