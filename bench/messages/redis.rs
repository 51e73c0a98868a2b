//! Redis with every write synced, measured by its own redis-benchmark.

use crate::peers::program;
use crate::system::output;
use anyhow::Context;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long it may take to start.
const START: Duration = Duration::from_secs(10);

/// A server that ends with its guard.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Messages a second in pipelines of this many, and one at a time with so many at once. None where Redis is not
/// installed.
pub(super) async fn rates(
    count: usize,
    pipeline: usize,
    singles: usize,
    at_once: usize,
) -> anyhow::Result<Option<(f64, f64)>> {
    let (Some(server), Some(benchmark)) = (program("redis-server"), program("redis-benchmark")) else {
        return Ok(None);
    };
    let folder = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let server = Command::new(server)
        .args([
            "--port",
            &port,
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
            "--dir",
        ])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .context("start Redis")?;
    let _server = Server(server);
    let set = |count: usize, clients: usize, pipeline: usize| {
        let mut command = Command::new(&benchmark);
        let value = "x".repeat(300);
        let (count, clients, pipeline) = (count.to_string(), clients.to_string(), pipeline.to_string());
        command.args([
            "-p",
            &port,
            "-n",
            &count,
            "-c",
            &clients,
            "-P",
            &pipeline,
            "-r",
            "1000000000",
            "--csv",
        ]);
        command.args(["SET", "m:__rand_int__", &value, "EX", "604800"]);
        output(&mut command)
    };
    let begin = Instant::now();
    // redis-benchmark itself would spin until a server is there.
    while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        anyhow::ensure!(begin.elapsed() < START, "Redis does not answer");
        sleep(Duration::from_millis(50)).await;
    }
    let piped = rate(&set(count, 4, pipeline)?)?;
    let single = rate(&set(singles, at_once, 1)?)?;
    Ok(Some((piped, single)))
}

/// The second column of the last line.
fn rate(csv: &str) -> anyhow::Result<f64> {
    let line = csv.lines().last().unwrap_or_default();
    let rate = line.rsplit("\",\"").nth(6).or_else(|| line.split("\",\"").nth(1));
    let rate = rate.map(|rate| rate.trim_matches('"'));
    rate.and_then(|rate| rate.parse().ok())
        .with_context(|| format!("redis-benchmark said no rate: {csv}"))
}
