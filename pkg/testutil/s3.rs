//! S3: private prefixes in the bucket of this run, and its server.

use crate::http;
use crate::running::Running;
use anyhow::{Context, ensure};
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;

/// The bucket that every server here starts with.
pub const BUCKET: &str = "odograph";

/// An S3 service with a bucket. Its keys are in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
#[derive(Clone, Debug)]
pub struct S3 {
    /// Its address, `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// An existing bucket.
    pub bucket: String,
}

impl S3 {
    /// The URL of a prefix in the bucket. Isolated tests take prefixes of [`unique`](crate::unique).
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        format!(
            "s3://{}/{prefix}?endpoint={}&region=us-east-1&path_style=true",
            self.bucket, self.endpoint
        )
    }
}

/// The S3 service of this run.
///
/// # Panics
/// Outside `make test`.
#[must_use]
pub fn s3() -> S3 {
    S3 {
        endpoint: crate::variable("TEST_S3_ENDPOINT"),
        bucket: BUCKET.to_owned(),
    }
}

/// A private S3 server (moto), which keeps everything in memory.
#[derive(Debug)]
pub struct Server {
    /// Holds the log.
    _folder: TempDir,
    s3: S3,
    server: Running,
}

impl Server {
    /// Starts a server on a free port and makes its bucket.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub async fn try_start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for the S3 server")?;
        let log = folder.path().join("moto.log");
        let mut command = Command::new(crate::workspace().join(".tools/venv/bin/python"));
        command
            .arg(crate::workspace().join("pkg/testutil/s3.py"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1");
        let mut server = Running::start("moto_server", &mut command, &log, "run scripts/install-s3.sh")?;
        let address = server.until(|| async { written_address(&log) }).await?;
        let path = format!("/{BUCKET}");
        let status = server
            .until(|| async { http::status("PUT", &address, &path).await.ok() })
            .await?;
        ensure!(
            status == 200,
            "the S3 server answered {status} when it was asked for a bucket"
        );
        let s3 = S3 {
            endpoint: format!("http://{address}"),
            bucket: BUCKET.to_owned(),
        };
        Ok(Self {
            _folder: folder,
            s3,
            server,
        })
    }

    /// The server's address and bucket.
    #[must_use]
    pub fn s3(&self) -> &S3 {
        &self.s3
    }

    /// Stops the server; its blobs are lost.
    pub async fn stop(mut self) {
        self.server.stop().await;
    }
}

/// The address in the server's log, on a free port of its choice.
fn written_address(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    let (_, rest) = text.split_once("Running on http://")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ':')?;
    Some(rest[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_private_server_has_its_bucket() {
        let server = Server::try_start().await.unwrap();
        let address = server.s3().endpoint.strip_prefix("http://").unwrap().to_owned();
        assert_eq!(http::status("GET", &address, "/odograph").await.unwrap(), 200);
        assert_eq!(http::status("GET", &address, "/another").await.unwrap(), 404);
        assert_eq!(
            server.s3().url("a/b"),
            format!("s3://odograph/a/b?endpoint=http://{address}&region=us-east-1&path_style=true")
        );
        server.stop().await;
        assert!(http::status("GET", &address, "/odograph").await.is_err());
    }
}
