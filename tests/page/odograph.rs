//! An Odograph of its own for a test, as `odograph up` starts it.

use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use testutil::browser::client;
use testutil::{Process, Program};

/// Deadline of long operations.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A running `odograph up`.
pub(crate) struct Odograph {
    pub(crate) process: Process,
    /// The address of the page, the API and uploads.
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    admin: SocketAddr,
    folder: TempDir,
}

impl Odograph {
    /// Starts one with these flags, and an empty database.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL's user has to enter it when the tests run as root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut process = up(&folder, flags).start().await;
        Self {
            url: process.url().await,
            admin: process.address("admin").await,
            process,
            http: client(),
            folder,
        }
    }

    /// Kills it, as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.process.kill9().await;
    }

    /// Starts it again over the same data, at the same address.
    pub(crate) async fn start_again(&mut self) {
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        self.process = up(&self.folder, &["--port", &port]).start().await;
        self.admin = self.process.address("admin").await;
    }

    /// The key that uploads.
    pub(crate) fn key(&self) -> String {
        let key = fs::read_to_string(self.folder.path().join("api-key")).unwrap();
        key.trim().to_owned()
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Uploads a body. It is stored when this returns.
    pub(crate) async fn upload(&self, body: String) {
        let (status, answer) = self.send(body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Uploads a body that may have lines to reject. Returns the status and the answer.
    pub(crate) async fn send(&self, body: String) -> (u16, Value) {
        let asked = self.http.post(format!("{}/ingest", self.url)).bearer_auth(self.key());
        let answer = asked.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// What a path of the API answers.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        let (status, answer): (_, Value) = (answer.status(), answer.json().await.unwrap());
        assert!(status.is_success(), "{path}: {answer}");
        answer
    }

    /// Uploads values of sensors of the vehicle `lada`, measured now.
    pub(crate) async fn measure(&self, values: &[(&str, f64)]) {
        let now = jiff::Timestamp::now();
        let line = |(sensor, value): &(&str, f64)| {
            let reading = json!({"device": "lada", "sensor": sensor, "value": value, "timestamp": now.to_string()});
            format!("{reading}\n")
        };
        self.upload(values.iter().map(line).collect()).await;
    }

    /// A number of its metrics; 0 without it.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.admin);
        let answer = self.http.get(url).send().await.unwrap();
        let metrics = answer.text().await.unwrap();
        let mut lines = metrics.lines().filter_map(|line| line.split_once(' '));
        let value = lines.find_map(|(found, value)| (found == name).then_some(value));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

fn up(folder: &TempDir, flags: &[&str]) -> Program {
    let ports = ["--journal-port", "0", "--messages-port", "0", "--notifier-port", "0"];
    let up = Program::new("odograph").arg("up").args(ports).arg("--data-dir");
    up.arg(folder.path()).args(flags.iter().copied())
}

/// Lines of a drive to the north at one speed, which begins near Poreč: readings each five seconds.
pub(crate) fn drive(device: &str, start: &str, minutes: i32, speed: f64) -> String {
    let start: jiff::Timestamp = start.parse().unwrap();
    let lines = (0..=minutes * 12).flat_map(|step| {
        let (seconds, time) = (
            f64::from(step) * 5.0,
            start + jiff::SignedDuration::from_secs(i64::from(step) * 5),
        );
        let values = [
            ("speed", speed),
            ("revolution", speed * 40.0),
            ("fuel", 50.0 - seconds / 600.0),
            ("engine_temperature", 90.0),
            ("location_latitude", 45.2 + speed / 3.6 * seconds / 111_195.0),
            ("location_longitude", 13.6),
        ];
        values.map(|(sensor, value)| {
            let reading = json!({"device": device, "sensor": sensor, "value": value, "timestamp": time.to_string()});
            format!("{reading}\n")
        })
    });
    lines.collect()
}
