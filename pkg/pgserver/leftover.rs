//! Leftovers of the last run: a server that outlived its owner, or only its pid file.

use super::account::{Account, run, succeeded};
use super::binaries::Binaries;
use super::error::{Error, io};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Ends a server that still runs on this folder and removes a stale pid file. The caller holds the
/// folder's lock, so such a server has no owner.
pub(super) async fn end(data_dir: &Path, binaries: &Binaries, account: &Account) -> Result<(), Error> {
    let file = data_dir.join("postmaster.pid");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(io(format!("read {}", file.display()))(error)),
    };
    let pid: Option<u32> = text.lines().next().and_then(|line| line.trim().parse().ok());
    if let Some(pid) = pid
        && runs_on(pid, data_dir).await
    {
        tracing::warn!(pid, "PostgreSQL still runs from the last time: stopping it");
        stop(data_dir, binaries, account).await?;
    }
    // PostgreSQL removes such a file itself, unless another program of the same user has that number
    // by now: then it cannot tell, and refuses to start.
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(format!("remove {}", file.display()))(error)),
        _ => Ok(()),
    }
}

async fn stop(data_dir: &Path, binaries: &Binaries, account: &Account) -> Result<(), Error> {
    let mut failed = Ok(());
    for (mode, seconds) in [("fast", 60), ("immediate", 20)] {
        let mut pg_ctl = account.command(&binaries.program("pg_ctl"));
        pg_ctl
            .arg("stop")
            .arg("-D")
            .arg(data_dir)
            .args(["-w", "-m", mode, "-t", &seconds.to_string()]);
        let output = run(&mut pg_ctl, "pg_ctl", Duration::from_secs(seconds + 10)).await?;
        failed = succeeded(&output, "pg_ctl");
        // It may have ended between the check and the stop; then pg_ctl finds no server.
        if failed.is_ok() || !data_dir.join("postmaster.pid").exists() {
            return Ok(());
        }
    }
    failed
}

/// Whether the process is a PostgreSQL on this folder: systems reuse process ids.
async fn runs_on(pid: u32, data_dir: &Path) -> bool {
    let Some((name, arguments)) = process(pid).await else {
        return false;
    };
    let program = Path::new(name.trim())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if program != "postgres" && program != "postmaster" {
        return false;
    }
    // Its working directory stays right even if the data was moved meanwhile.
    match std::fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(folder) => folder == data_dir,
        Err(_) => arguments
            .split('\0')
            .any(|argument| argument.contains(&*data_dir.to_string_lossy())),
    }
}

/// A running process's name and arguments: from `/proc`, else from `ps`.
async fn process(pid: u32) -> Option<(String, String)> {
    if Path::new("/proc/self/comm").exists() {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        return Some((name, String::from_utf8_lossy(&arguments).into_owned()));
    }
    Some((ps(pid, "comm=").await?, ps(pid, "args=").await?))
}

async fn ps(pid: u32, column: &str) -> Option<String> {
    let mut command = Command::new("ps");
    command
        .args(["-ww", "-o", column, "-p", &pid.to_string()])
        .stdin(Stdio::null());
    let output = run(&mut command, "ps", Duration::from_secs(10)).await.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
