//! The user that the server runs as: PostgreSQL refuses to run as root.

use super::error::{Error, io};
use nix::unistd::{Uid, User, geteuid};
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// The user that the server's programs run as.
#[derive(Clone, Debug)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    name: String,
    /// Whether it differs from the user of this program.
    switch: bool,
}

impl Account {
    /// The account for a data folder: the user of this program; for root, the folder's owner, else
    /// `postgres`, else `nobody`.
    pub(super) fn of(data_dir: &Path) -> Result<Self, Error> {
        let me = geteuid();
        let owner = data_dir.metadata().ok().map(|folder| (folder.uid(), folder.gid()));
        if !me.is_root() {
            return match owner {
                Some((uid, _)) if uid != me.as_raw() => Err(Error::Refused {
                    path: data_dir.to_owned(),
                    reason: format!(
                        "it belongs to the user {}; run this as that user, or choose another folder",
                        name_of(uid)
                    ),
                }),
                _ => Ok(Self {
                    uid: me.as_raw(),
                    gid: nix::unistd::getegid().as_raw(),
                    name: name_of(me.as_raw()),
                    switch: false,
                }),
            };
        }
        match owner {
            Some((uid, gid)) if uid != 0 => Ok(Self {
                uid,
                gid,
                name: name_of(uid),
                switch: true,
            }),
            found => {
                let account = Self::stand_in()?;
                if found.is_some() {
                    // For instance after root has copied it back from a backup.
                    account.give_all(data_dir)?;
                }
                Ok(account)
            }
        }
    }

    fn stand_in() -> Result<Self, Error> {
        for name in ["postgres", "nobody"] {
            let user = User::from_name(name).map_err(|errno| io(format!("look up the user {name}"))(errno.into()))?;
            if let Some(user) = user.filter(|user| !user.uid.is_root()) {
                return Ok(Self {
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                    name: user.name,
                    switch: true,
                });
            }
        }
        Err(Error::Program {
            program: "postgres".to_owned(),
            output: "it does not run as root, and this machine has neither a user postgres nor nobody; run this as another user".to_owned(),
        })
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// A command as this account, without the terminal's signals and the user's own `PG*` variables.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Ctrl-C goes to the owner, which stops the server after its own work.
        command.process_group(0).stdin(Stdio::null());
        // The account may lack the right to enter this program's folder.
        command.current_dir("/").env("LC_ALL", "C");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes the account the owner of a path that this program has made.
    pub(super) fn give(&self, path: &Path) -> Result<(), Error> {
        if !self.switch {
            return Ok(());
        }
        lchown(path, Some(self.uid), Some(self.gid)).map_err(io(format!(
            "give {} to the user {}",
            path.display(),
            self.name
        )))
    }

    fn give_all(&self, path: &Path) -> Result<(), Error> {
        self.give(path)?;
        let failed = || format!("give {} to the user {}", path.display(), self.name);
        if path.symlink_metadata().map_err(io(failed()))?.is_dir() {
            for entry in path.read_dir().map_err(io(failed()))? {
                self.give_all(&entry.map_err(io(failed()))?.path())?;
            }
        }
        Ok(())
    }

    /// Checks that the account can enter every folder above `path`; the error names the closed one.
    pub(super) async fn check_entry(&self, path: &Path) -> Result<(), Error> {
        if !self.switch {
            return Ok(());
        }
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        // By a program of that user: mode bits do not show access lists.
        let mut command = self.command(Path::new("/bin/sh"));
        command
            .args([
                "-c",
                r#"for folder do test -x "$folder" || { printf %s "$folder"; exit 3; }; done"#,
                "sh",
            ])
            .args(above);
        let output = run(&mut command, "sh", Duration::from_secs(30)).await?;
        if output.status.code() == Some(3) {
            let folder = String::from_utf8_lossy(&output.stdout).into_owned().into();
            return Err(Error::Unreachable {
                folder,
                user: self.name.clone(),
            });
        }
        succeeded(&output, "sh")
    }
}

/// Runs a program to its end, within a deadline.
pub(super) async fn run(command: &mut Command, program: &str, deadline: Duration) -> Result<Output, Error> {
    let ended = timeout(deadline, command.kill_on_drop(true).output()).await;
    match ended {
        Ok(output) => output.map_err(io(format!("start {program}"))),
        Err(_) => Err(Error::Program {
            program: program.to_owned(),
            output: format!("it did not end within {deadline:?}"),
        }),
    }
}

/// Turns a failed program into an error with its output.
pub(super) fn succeeded(output: &Output, program: &str) -> Result<(), Error> {
    if output.status.success() {
        return Ok(());
    }
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let end = lines[lines.len().saturating_sub(12)..].join("\n");
    Err(Error::Program {
        program: program.to_owned(),
        output: format!("{}: {end}", output.status),
    })
}

fn name_of(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| format!("with the number {uid}"), |user| user.name)
}
