//! Our own programs as real processes.

use crate::{Clock, http};
use nix::pty::openpty;
use nix::sys::signal::Signal;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, timeout};

/// How long a program may take to listen and to become ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Limits of a program's kept output: the last lines, and the beginning of each line.
const LINES: usize = 10_000;
const LINE_BYTES: usize = 64 * 1024;
/// Variables of the environment that a program inherits; none is one of its settings.
const KEPT: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "TERM",
    "XDG_RUNTIME_DIR",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
];

/// A program of this workspace, before its start.
#[derive(Debug)]
pub struct Program {
    name: String,
    path: PathBuf,
    command: Command,
    /// Our end of its terminal.
    terminal: Option<OwnedFd>,
}

/// A running program, with pipes on its output; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: u32,
    addresses: watch::Receiver<HashMap<String, SocketAddr>>,
    stdout: Arc<Mutex<VecDeque<String>>>,
    stderr: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
    peak: Arc<AtomicU64>,
}

impl Program {
    /// The program of this name from the tests' build folder, with variables that make it log JSON and
    /// listen on free ports.
    ///
    /// # Panics
    /// When it has not been built.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::at(name, &path_of(name))
    }

    /// As [`Program::new`], of the last release, from the folder in `LAST_RELEASE`, which
    /// `scripts/build-last-release.sh` fills.
    ///
    /// # Panics
    /// Without that variable, and when the program is not in that folder.
    #[must_use]
    pub fn of_last_release(name: &str) -> Self {
        let folder = std::env::var_os("LAST_RELEASE").expect("LAST_RELEASE names the folder of the last release");
        let folder = PathBuf::from(folder);
        let path = folder.join(name);
        assert!(path.is_file(), "{} is not there", path.display());
        Self::at(name, &path)
    }

    /// As [`Program::new`], started by another program, such as `nohup`.
    ///
    /// # Panics
    /// As [`Program::new`].
    #[must_use]
    pub fn under(runner: &str, flags: &[&str], name: &str) -> Self {
        let mut program = Self::at(name, Path::new(runner));
        program.command.args(flags).arg(path_of(name));
        program
    }

    /// As [`Program::new`], on a terminal of its own instead of pipes; see [`Process::hang_up`].
    ///
    /// # Panics
    /// As [`Program::new`], and when the system has no terminal.
    #[must_use]
    pub fn on_terminal(name: &str) -> Self {
        let mut program = Self::under("setsid", &["--ctty"], name);
        // Clones are not inherited; an inherited one would hold our end of the terminal open.
        let ends = || {
            let pair = openpty(None, None)?;
            let (ours, its) = (pair.master.try_clone()?, pair.slave.try_clone()?);
            std::io::Result::Ok((ours, its.try_clone()?, its.try_clone()?, its))
        };
        let (ours, stdin, stdout, stderr) = ends().expect("the system has terminals");
        program.command.stdin(stdin).stdout(stdout).stderr(stderr);
        program.terminal = Some(ours);
        program
    }

    fn at(name: &str, path: &Path) -> Self {
        let mut command = Command::new(path);
        command
            .env_clear()
            .envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs([("LOG_FORMAT", "json"), ("ADMIN_PORT", "0"), ("PORT", "0")]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            command,
            terminal: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.command.arg(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Gives it this clock instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.command.envs(clock.variables());
        self
    }

    /// Sets its standard input; empty by default.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Starts it in this folder.
    #[must_use]
    pub fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it and does not wait until it is ready. Inside a runtime only.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(mut self) -> Process {
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{} could not be started: {error}", self.path.display()),
        };
        let pid = child.id().unwrap_or_default();
        let (sender, addresses) = watch::channel(HashMap::new());
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(tokio::spawn(read(pipe, Arc::clone(&stdout), None)));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(tokio::spawn(read(pipe, Arc::clone(&stderr), Some(sender))));
        } else if let Some(terminal) = self.terminal {
            let terminal = pipe::Receiver::from_owned_fd_unchecked(terminal).expect("a terminal can be waited for");
            readers.push(tokio::spawn(read(terminal, Arc::clone(&stderr), Some(sender))));
        }
        let peak = Arc::default();
        tokio::spawn(watch_memory(pid, Arc::downgrade(&peak)));
        Process {
            name: self.name,
            child,
            pid,
            addresses,
            stdout,
            stderr,
            readers,
            peak,
        }
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it ends first, or is not ready within a minute.
    pub async fn start(self) -> Process {
        let mut process = self.spawn();
        process.ready().await;
        process
    }
}

impl Process {
    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The address that it listens on for a service: `main`, `admin`, or another of the program's.
    ///
    /// # Panics
    /// When it ends first, or does not log the address within a minute.
    pub async fn address(&mut self, service: &str) -> SocketAddr {
        let waited = {
            let known = self.addresses.wait_for(|addresses| addresses.contains_key(service));
            match timeout(START_TIMEOUT, known).await {
                Ok(Ok(addresses)) => Ok(addresses[service]),
                Ok(Err(_)) => Err("ended"),
                Err(_) => Err("took more than a minute"),
            }
        };
        waited.unwrap_or_else(|what| {
            panic!(
                "{} {what} before it listened as {service}; it said:\n{}",
                self.name,
                self.tail()
            )
        })
    }

    /// `http://ADDRESS` of its main service.
    ///
    /// # Panics
    /// As [`Process::address`].
    pub async fn url(&mut self) -> String {
        format!("http://{}", self.address("main").await)
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Panics
    /// When it ends first, or is not ready within a minute.
    pub async fn ready(&mut self) {
        let admin = self.address("admin").await.to_string();
        let deadline = Instant::now() + START_TIMEOUT;
        while http::status("GET", &admin, "/readyz").await.ok() != Some(200) {
            assert!(
                !self.has_ended(),
                "{} ended before it was ready; it said:\n{}",
                self.name,
                self.tail()
            );
            assert!(
                Instant::now() < deadline,
                "{} was not ready within {START_TIMEOUT:?}; it said:\n{}",
                self.name,
                self.tail()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // No id: it has ended, and another process may have its number.
        if let Some(pid) = self.child.id() {
            crate::running::send(pid, signal);
        }
    }

    /// Kills it and waits until it is gone.
    pub async fn kill9(&mut self) {
        let _ = self.child.kill().await;
    }

    /// Closes its terminal, like a closed window or a lost connection.
    pub async fn hang_up(&mut self) {
        for reader in self.readers.drain(..) {
            reader.abort();
            // The end of the reader closes our end of the terminal.
            let _ = reader.await;
        }
    }

    /// Waits for its end and its last output. Returns the exit code, or 128 plus the number of the signal
    /// that ended it.
    ///
    /// # Panics
    /// Past the deadline.
    pub async fn wait(&mut self, deadline: Duration) -> i32 {
        let ended = timeout(deadline, async {
            let status = self.child.wait().await;
            for reader in &mut self.readers {
                let _ = reader.await;
            }
            self.readers.clear();
            status
        });
        match ended.await {
            Ok(Ok(status)) => code(status),
            Ok(Err(error)) => panic!("could not wait for {}: {error}", self.name),
            Err(_) => panic!(
                "{} did not end within {deadline:?}; it said:\n{}",
                self.name,
                self.tail()
            ),
        }
    }

    /// Peak of its resident memory, in bytes, up to a moment before its end.
    ///
    /// # Panics
    /// On a system without `/proc`.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let peak = self
            .peak
            .fetch_max(peak_memory(self.pid).unwrap_or(0), Ordering::Relaxed);
        let peak = peak.max(self.peak.load(Ordering::Relaxed));
        assert!(
            peak > 0,
            "the memory of {} cannot be read here: this needs /proc/PID/status",
            self.name
        );
        peak
    }

    /// The last lines that it logged.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        copy(&self.stderr)
    }

    /// The last lines on its standard output.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        copy(&self.stdout)
    }

    fn tail(&self) -> String {
        let lines = self.output();
        lines[lines.len().saturating_sub(50)..].join("\n")
    }
}

/// The exit code in a shell.
#[must_use]
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The path of a program in the build of this test.
///
/// # Panics
/// When a process cannot tell its own path.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test knows its own path");
    let mut folder = test.parent().unwrap_or(Path::new(".")).to_owned();
    if folder.ends_with("deps") {
        folder.pop();
    }
    folder.join(name)
}

/// As [`built`]; panics when the program is missing.
fn path_of(name: &str) -> PathBuf {
    let path = built(name);
    assert!(
        path.is_file(),
        "{} is not there: build the programs first (`cargo build --workspace`; `make test` does)",
        path.display()
    );
    path
}

fn copy(lines: &Mutex<VecDeque<String>>) -> Vec<String> {
    lines
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .cloned()
        .collect()
}

/// Keeps the last lines of a pipe and finds the program's addresses in them. Always reads to the end: a
/// full pipe would block the program.
async fn read(
    pipe: impl AsyncRead + Unpin,
    lines: Arc<Mutex<VecDeque<String>>>,
    addresses: Option<watch::Sender<HashMap<String, SocketAddr>>>,
) {
    let mut pipe = BufReader::new(pipe);
    while let Ok(Some(line)) = next_line(&mut pipe).await {
        if let (Some(addresses), Some((service, address))) = (&addresses, listening(&line)) {
            addresses.send_modify(|known| {
                known.insert(service, address);
            });
        }
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

async fn next_line(pipe: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<String>> {
    let (mut line, mut ended) = (Vec::new(), false);
    while !ended {
        let chunk = pipe.fill_buf().await?;
        if chunk.is_empty() && line.is_empty() {
            return Ok(None);
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(chunk.len(), |end| end + 1);
        let room = LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&chunk[..end.unwrap_or(chunk.len()).min(room)]);
        ended = end.is_some() || chunk.is_empty();
        pipe.consume(used);
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// Parses the service and address of a program's log line `listening`.
#[must_use]
pub fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = event.get("fields").unwrap_or(&event);
    if fields.get("message")? != "listening" {
        return None;
    }
    let mut address: SocketAddr = fields.get("address")?.as_str()?.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Some((fields.get("service")?.as_str()?.to_owned(), address))
}

/// Polls the peak while the program runs, since the system forgets it at the end.
async fn watch_memory(pid: u32, peak: std::sync::Weak<AtomicU64>) {
    let mut ticks = interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let (Some(peak), Some(bytes)) = (peak.upgrade(), peak_memory(pid)) else {
            return;
        };
        peak.fetch_max(bytes, Ordering::Relaxed);
    }
}

fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests;
