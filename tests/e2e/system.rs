//! A whole Odograph of its own for one test: database, stream, programs.

use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use testutil::{Database, Process, Program, nats_url, poll, unique};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The key of the tests' uploads.
pub(crate) const KEY: &str = "test-key";

/// Deadline of long operations.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// An ingestor, persistors and an API around one database and one stream, each with only the database
/// rights of `scripts/roles.sql`.
pub(crate) struct System {
    pub(crate) database: Database,
    pub(crate) bus: String,
    pub(crate) ingestor: Process,
    pub(crate) persistors: Vec<Process>,
    pub(crate) api: Process,
    pub(crate) http: Client,
    pub(crate) ingest_url: String,
    pub(crate) api_url: String,
}

impl System {
    /// Starts everything, with this many persistors.
    pub(crate) async fn start(persistors: usize) -> Self {
        Self::start_with(persistors, &[]).await
    }

    /// Starts everything, the ingestor with these flags.
    pub(crate) async fn start_with(persistors: usize, flags: &[&str]) -> Self {
        let database = testutil::database().await;
        let bus = nats_url(&unique("readings"));
        Self::over(database, bus, persistors, flags).await
    }

    /// The host and the port of the ingestor.
    pub(crate) fn ingest_address(&self) -> &str {
        let base = self.ingest_url.trim_start_matches("http://");
        base.trim_end_matches("/ingest")
    }

    /// Starts the programs over this database and this stream.
    pub(crate) async fn over(database: Database, bus: String, persistors: usize, flags: &[&str]) -> Self {
        testutil::give_roles(&database.url()).await;
        let mut ingestor = ingestor(&bus).args(flags.iter().copied()).start().await;
        let mut running = Vec::new();
        for _ in 0..persistors {
            running.push(writer(&bus, &database).start().await);
        }
        let mut api = Program::new("api")
            .env("DATABASE_URL", database.url_as("odograph_reader"))
            .args(["--migrate", "false"])
            .start()
            .await;
        let ingest_url = format!("{}/ingest", ingestor.url().await);
        let api_url = format!("{}/api", api.url().await);
        Self {
            database,
            bus,
            ingestor,
            persistors: running,
            api,
            http: client(),
            ingest_url,
            api_url,
        }
    }

    /// A persistor of this system, to be started.
    pub(crate) fn persistor(&self) -> Program {
        writer(&self.bus, &self.database)
    }

    /// Builds an upload of this body.
    pub(crate) fn upload(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.http.post(&self.ingest_url).basic_auth(KEY, Some("")).body(body)
    }

    /// Uploads and returns the status and the answer.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        answer(self.upload(body).send().await.unwrap()).await
    }

    /// The answer of the API at this path below `/api/`.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(format!("{}/{path}", self.api_url)).send().await.unwrap()).await
    }

    /// Waits until the database holds this many readings.
    pub(crate) async fn wait_for_rows(&self, rows: i64) {
        let client = connect(&self.database.url()).await;
        poll(LONG, async || {
            let row = client.query_one("SELECT count(*) FROM reading", &[]).await.ok()?;
            let found: i64 = row.get(0);
            assert!(found <= rows, "{found} rows, more than the {rows} that were sent");
            (found == rows).then_some(())
        })
        .await;
    }

    /// Waits until the persistors have judged this many readings between them.
    pub(crate) async fn wait_for_judged(&mut self, readings: f64) {
        let mut admins = Vec::new();
        for persistor in &mut self.persistors {
            admins.push(persistor.address("admin").await);
        }
        let http = &self.http;
        poll(LONG, async || {
            let mut judged = 0.0;
            for admin in &admins {
                let metrics = http
                    .get(format!("http://{admin}/metrics"))
                    .send()
                    .await
                    .ok()?
                    .text()
                    .await
                    .ok()?;
                for name in ["stored", "duplicate", "conflict"] {
                    judged += metric(&metrics, &format!("persistor_readings_{name}_total"));
                }
            }
            (judged >= readings).then_some(())
        })
        .await;
    }

    /// The sum of one counter over all persistors.
    pub(crate) async fn persisted(&mut self, counter: &str) -> f64 {
        let mut sum = 0.0;
        for persistor in &mut self.persistors {
            let admin = persistor.address("admin").await;
            let metrics = self
                .http
                .get(format!("http://{admin}/metrics"))
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap();
            sum += metric(&metrics, &format!("persistor_readings_{counter}_total"));
        }
        sum
    }

    /// Every reading as text, in order of device, sensor and time; must not depend on the order of uploads.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let client = connect(&self.database.url()).await;
        let rows = client
            .query("SELECT concat_ws(' ', device, sensor, timestamp AT TIME ZONE 'UTC', value) FROM readings ORDER BY device, sensor, timestamp", &[])
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The device of every reading, in the same order.
    pub(crate) async fn devices(&self) -> Vec<String> {
        let device = |row: &String| row.split(' ').next().unwrap().to_owned();
        self.rows().await.iter().map(device).collect()
    }

    /// The latest reading of every series, likewise.
    pub(crate) async fn latest(&self) -> Vec<String> {
        let client = connect(&self.database.url()).await;
        let rows = client
            .query("SELECT concat_ws(' ', device, sensor, latest_timestamp AT TIME ZONE 'UTC', latest_value) FROM series ORDER BY device, sensor", &[])
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// An ingestor over this bus, to be started.
pub(crate) fn ingestor(bus: &str) -> Program {
    Program::new("ingestor")
        .env("API_KEY", KEY)
        .env("EVENT_WRITER_URL", bus)
}

/// A persistor that has the writer's rights.
fn writer(bus: &str, database: &Database) -> Program {
    persistor(bus, &database.url_as("odograph_writer")).args(["--migrate", "false"])
}

/// A persistor between this bus and this database, to be started.
pub(crate) fn persistor(bus: &str, database: &str) -> Program {
    Program::new("persistor")
        .env("EVENT_READER_URL", bus)
        .env("DATABASE_URL", database)
}

/// An HTTP client with a deadline.
pub(crate) fn client() -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(LONG).build().unwrap()
}

/// `odograph up` over this database, which keeps the rest in this folder.
pub(crate) fn up(folder: &Path, database: &str) -> Program {
    Program::new("odograph")
        .args(["up", "--api-port", "0", "--data-dir"])
        .arg(folder)
        .env("DATABASE_URL", database)
        .env("API_KEY", KEY)
}

/// A folder that other users can enter, as PostgreSQL's user has to when the tests run as root.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Bytes of the body that [`half_an_upload`] promises.
pub(crate) const HALF: usize = 1000;

/// Begins an upload whose head the ingestor has read, without a byte of its body yet.
pub(crate) async fn half_an_upload(ingestor: SocketAddr, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(ingestor).await.unwrap();
    let head = format!(
        "POST /ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nexpect: 100-continue\r\ncontent-length: {HALF}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Sent once the ingestor reads the body.
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut said = [0; 25];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, go_on);
    stream
}

/// The seconds of an answer's `Retry-After`.
pub(crate) fn retry_after(response: &Response) -> u64 {
    response.headers()["retry-after"].to_str().unwrap().parse().unwrap()
}

/// The status and the body of an answer, which must be JSON.
pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {status}: {text:?}")),
    )
}

/// How many readings of an upload were accepted, and how many lines rejected.
pub(crate) fn counts(answer: &Value) -> (u64, u64) {
    assert!(answer["id"].is_string(), "{answer}");
    (
        answer["accepted"].as_u64().unwrap(),
        answer["rejected"].as_u64().unwrap(),
    )
}

/// A connection to a database.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(async move {
        // Ends when the client is dropped, or with the server that a test kills.
        let _ = connection.await;
    });
    client
}

fn metric(metrics: &str, name: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_default()
}
