//! A small file system of its own for PostgreSQL's data, so that its disk can be full.

use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; unmounted when this is dropped.
///
/// PostgreSQL gets real `ENOSPC` errors on it. Surviving a power cut is not tested: the data lies in
/// memory.
pub(crate) struct Quota {
    folder: PathBuf,
    bytes: u64,
    sudo: bool,
}

impl Quota {
    /// Mounts a tmpfs at this folder.
    pub(crate) fn mount(folder: &Path, bytes: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        let options = format!("size={bytes},mode=1777");
        let mut denied = None;
        for sudo in [false, true] {
            let mut mount = command(sudo, "mount");
            mount.args(["-t", "tmpfs", "-o", &options, "odograph-soak"]).arg(folder);
            match run(&mut mount) {
                Ok(()) => {
                    return Ok(Self {
                        folder: folder.to_owned(),
                        bytes,
                        sudo,
                    });
                }
                Err(error) => denied = Some(error),
            }
        }
        Err(denied.unwrap_or_else(|| anyhow::anyhow!("nobody tried")))
            .context("mount a file system for PostgreSQL, which takes root (or sudo without a password)")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes away all free space.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        // Begins at the used space: it is rounded up to pages, and the system refuses a lower limit.
        let mut refused = None;
        for spare in [0, 64 << 10, 1 << 20, 4 << 20] {
            // A size of 0 would be no limit.
            match self.resize((self.used()? + spare).max(64 << 10)) {
                Ok(()) => return Ok(()),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| anyhow::anyhow!("nobody tried")))
    }

    /// Gives the space back.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        self.resize(self.bytes)
    }

    /// Whether a file of this size does not fit.
    pub(crate) fn is_full(&self, bytes: usize) -> bool {
        let probe = self.folder.join("probe");
        let written = std::fs::write(&probe, vec![1; bytes]);
        let _ = std::fs::remove_file(&probe);
        written.is_err_and(|error| error.kind() == std::io::ErrorKind::StorageFull)
    }

    fn used(&self) -> anyhow::Result<u64> {
        let mut df = Command::new("df");
        df.args(["--block-size=1", "--output=used"]).arg(&self.folder);
        let output = df.output().context("run df")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .nth(1)
            .and_then(|used| used.trim().parse().ok())
            .with_context(|| format!("df says {text:?}"))
    }

    fn resize(&self, bytes: u64) -> anyhow::Result<()> {
        run(command(self.sudo, "mount")
            .args(["-o", &format!("remount,size={bytes}")])
            .arg(&self.folder))
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // Lazily: killed processes may keep it busy for a moment.
        let _ = run(command(self.sudo, "umount").arg("-l").arg(&self.folder));
    }
}

fn command(sudo: bool, program: &str) -> Command {
    if sudo {
        let mut command = Command::new("sudo");
        command.args(["-n", program]);
        command
    } else {
        Command::new(program)
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
    use super::*;

    #[test]
    fn a_full_disk_is_full_and_then_not() {
        let folder = tempfile::tempdir().unwrap();
        let quota = match Quota::mount(&folder.path().join("disk"), 16 << 20) {
            Ok(quota) => quota,
            Err(error) => return crate::warning::warn(&format!("NOT TESTED: a full disk ({error:#})")),
        };
        let room = 8 << 20;
        assert!(!quota.is_full(room));
        quota.fill().unwrap();
        assert!(quota.is_full(room));
        quota.clear().unwrap();
        assert!(!quota.is_full(room));
    }
}
