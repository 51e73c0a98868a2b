//! A third-party server as a child process.

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a server may take to start, on a machine that may be compiling.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a process may take to stop after SIGSTOP, there.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// A child process, killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program with its output in a log file. `install` says how to install it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &'static str, command: &mut Command, log: &Path, install: &str) -> anyhow::Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true);
        // Ctrl-C goes to the tests; the servers end after them.
        command.process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("{name} could not be started; {install}"))?;
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
        })
    }

    /// The process id; 0 once it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Waits until `condition` gives a value.
    ///
    /// # Errors
    /// When the program ends first or takes too long; with the log's end.
    pub async fn until<T, F: Future<Output = Option<T>>>(
        &mut self,
        mut condition: impl FnMut() -> F,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(value) = condition().await {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}); its log says:\n{}", self.name, self.tail());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} was not ready within {START_TIMEOUT:?}; its log says:\n{}",
                    self.name,
                    self.tail()
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks the program to end and waits for it; kills it past ten seconds.
    pub async fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        if timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            self.kill9().await;
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id() {
            send(pid, signal);
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Kills the program and waits until it is gone.
    pub async fn kill9(&mut self) {
        let _ = self.child.kill().await;
    }

    fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).into_owned()
    }
}

/// Sends a signal to a child. After SIGSTOP, waits until it has stopped: on a busy machine its threads go on until one
/// of them takes the signal.
pub(crate) fn send(pid: u32, signal: Signal) {
    let Ok(number) = i32::try_from(pid) else {
        return;
    };
    if kill(Pid::from_raw(number), signal).is_err() || signal != Signal::SIGSTOP {
        return;
    }
    let begun = Instant::now();
    while !is_stopped(pid) && begun.elapsed() < STOPPED_WITHIN {
        std::thread::yield_now();
    }
}

/// Whether all threads of a process have stopped, or it is gone.
fn is_stopped(pid: u32) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    tasks.flatten().all(|task| {
        // The state stands after the name, which may hold blanks.
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.is_none_or(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
    })
}
