//! Finds PostgreSQL's programs.

use super::account::run;
use super::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// The oldest major version that the schema supports.
const OLDEST: u32 = 14;
/// The programs that a server needs.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// A folder with the programs of one PostgreSQL.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// Finds programs of version 14 or newer: on `PATH`, else where `pg_config` points, else the newest
    /// in the usual folders of Debian and Homebrew.
    ///
    /// # Errors
    /// [`Error::NotInstalled`]
    pub async fn find() -> Result<Self, Error> {
        Self::all().await.into_iter().next().ok_or(Error::NotInstalled)
    }

    /// The folder that holds them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Their major version, such as 15.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The programs for a data folder: those of the version that made it.
    pub(super) async fn matching(data_dir: &Path, needed: Option<u32>) -> Result<Self, Error> {
        let all = Self::all().await;
        let Some(needed) = needed else {
            return all.into_iter().next().ok_or(Error::NotInstalled);
        };
        if let Some(binaries) = all.iter().find(|binaries| binaries.major == needed) {
            return Ok(binaries.clone());
        }
        let mut found: Vec<String> = all.iter().map(|binaries| binaries.major.to_string()).collect();
        found.dedup();
        let found = if found.is_empty() {
            "none".to_owned()
        } else {
            found.join(", ")
        };
        Err(Error::Version {
            data_dir: data_dir.to_owned(),
            needed,
            found,
        })
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The command for `psql`: its bare name if it is on `PATH`.
    pub(super) fn psql(&self) -> String {
        if on_path().any(|folder| folder.join("psql").is_file()) {
            return "psql".to_owned();
        }
        self.program("psql").display().to_string()
    }

    async fn all() -> Vec<Self> {
        let mut folders: Vec<PathBuf> = on_path().collect();
        folders.extend(pointed_to().await);
        folders.extend(versions_in("/usr/lib/postgresql", ""));
        folders.extend(versions_in("/opt/homebrew/opt", "postgresql@"));
        folders.extend(versions_in("/usr/local/opt", "postgresql@"));
        let mut all = Vec::new();
        for folder in folders {
            if PROGRAMS.iter().all(|program| folder.join(program).is_file())
                && let Some(major) = major_of(&folder.join("postgres")).await
                && major >= OLDEST
            {
                all.push(Self { folder, major });
            }
        }
        all
    }
}

/// The major version in the output of `postgres --version` or the file `PG_VERSION`.
pub(super) fn major_in(text: &str) -> Option<u32> {
    let digits = text.find(|letter: char| letter.is_ascii_digit())?;
    let number = &text[digits..];
    number[..number
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(number.len())]
        .parse()
        .ok()
}

fn on_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A relative entry would mean another folder in another working directory.
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .collect::<Vec<_>>()
        .into_iter()
}

async fn pointed_to() -> Option<PathBuf> {
    let text = said(Command::new("pg_config").arg("--bindir")).await?;
    Some(PathBuf::from(text.trim())).filter(|folder| folder.is_absolute())
}

async fn major_of(postgres: &Path) -> Option<u32> {
    major_in(&said(Command::new(postgres).arg("--version")).await?)
}

async fn said(command: &mut Command) -> Option<String> {
    let output = run(
        command.stdin(std::process::Stdio::null()),
        "pg_config",
        Duration::from_secs(10),
    )
    .await
    .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The `bin` folders of the versions installed side by side in `folder`, the newest first.
fn versions_in(folder: &str, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}
