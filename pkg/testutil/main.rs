//! `with-servers COMMAND ARGS…` runs a command with servers of its own: a PostgreSQL, a nats-server with
//! JetStream and an S3 server, on free ports and in temporary folders. Environment variables tell the
//! command where they are (see [`Servers::tell`]). Ends with the command's exit code after all servers
//! have stopped; a signal stops the command first.

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use service::Signals;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use testutil::{Nats, Postgres, nats, s3};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long the command may take to end after a signal.
const GRACE: Duration = Duration::from_secs(20);

struct Servers {
    postgres: Postgres,
    nats: Nats,
    s3: s3::Server,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        say("usage: with-servers COMMAND ARGS…");
        return ExitCode::from(2);
    };
    match run(program, words.collect()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&format!("with-servers: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(program: OsString, args: Vec<OsString>) -> anyhow::Result<u8> {
    // From here on a signal does not kill this process, so that it can stop all servers.
    let mut signals = Signals::listen()?;
    let servers = tokio::select! {
        servers = Servers::start() => servers?,
        signal = signals.next() => return code_of(signal.parse()?),
    };
    let mut command = Command::new(&program);
    command.args(args).kill_on_drop(true);
    servers.tell(&mut command)?;
    let code = match command.spawn() {
        Ok(mut child) => {
            tokio::select! {
                status = child.wait() => u8::try_from(testutil::code(status?)).unwrap_or(1),
                // A terminal's Ctrl-C has reached the command as well; a second one is harmless.
                signal = signals.next() => end(&mut child, signal.parse()?).await?,
            }
        }
        Err(error) => {
            say(&format!("with-servers: could not start {}: {error}", program.display()));
            127
        }
    };
    servers.stop().await;
    Ok(code)
}

/// Passes a signal on and waits for the command's end. Returns the signal's exit code.
async fn end(child: &mut Child, signal: Signal) -> anyhow::Result<u8> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
    if timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
    code_of(signal)
}

/// A shell's exit code for a program that a signal ended.
fn code_of(signal: Signal) -> anyhow::Result<u8> {
    Ok(u8::try_from(128 + signal as i32)?)
}

impl Servers {
    async fn start() -> anyhow::Result<Self> {
        let (postgres, nats, s3) = tokio::join!(
            // Many tests run at once, each with pools of its own.
            Postgres::try_start(&[("max_connections", "300")]),
            Nats::try_start(nats::Options::default()),
            s3::Server::try_start(),
        );
        let postgres = postgres.context("start PostgreSQL (scripts/install-postgres.sh installs it)")?;
        let nats = nats.context("start nats-server (scripts/install-nats.sh installs it)")?;
        let s3 = s3.context("start the S3 server (scripts/install-s3.sh installs it)")?;
        Ok(Self { postgres, nats, s3 })
    }

    fn tell(&self, command: &mut Command) -> anyhow::Result<()> {
        let tools = testutil::workspace().join(".tools/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path)))
            .context("put .tools/bin on PATH")?;
        command.env("PATH", path);
        command.env("TEST_DATABASE_URL", self.postgres.url());
        command.env("TEST_NATS_URL", self.nats.url());
        command.env("TEST_S3_ENDPOINT", &self.s3.s3().endpoint);
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        // The user's own keys must not be used with the tests' server.
        for name in [
            "AWS_SESSION_TOKEN",
            "AWS_PROFILE",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
        ] {
            command.env_remove(name);
        }
        Ok(())
    }

    async fn stop(mut self) {
        tokio::join!(self.postgres.stop(), self.nats.stop(), self.s3.stop());
    }
}

fn say(text: &str) {
    // Ignores a closed standard error.
    let _ = writeln!(std::io::stderr(), "{text}");
}
