//! The undisturbed run: the same readings loaded once, in order, through fresh programs into a fresh
//! database; and the comparison of both.

use crate::options::KEY;
use anyhow::{Context, ensure};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::io::Read;
use std::time::Duration;
use testutil::{Nats, Postgres, Process, Program, nats};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};

/// A body of the load.
const BODY: usize = 4 << 20;

/// Bodies in flight at once.
const AT_ONCE: usize = 2;

/// Deadline of long operations.
const LONG: Duration = Duration::from_secs(600);

/// Largest relative difference of averages of the same readings in another order.
const TOLERANCE: f64 = 1e-9;

/// An Odograph without faults.
pub(crate) struct Reference {
    http: reqwest::Client,
    ingest: String,
    waiting: String,
    under_way: JoinSet<anyhow::Result<()>>,
    pub(crate) api: String,
    pub(crate) database: String,
    _programs: [Process; 3],
    _servers: (Nats, Postgres),
}

impl Reference {
    pub(crate) async fn start(http: reqwest::Client) -> anyhow::Result<Self> {
        let (nats, postgres) = tokio::join!(Nats::try_start(nats::Options::default()), Postgres::try_start(&[]));
        let (nats, postgres) = (nats?, postgres?);
        let (bus, database) = (format!("{}/readings", nats.url()), postgres.url().to_owned());
        let mut ingestor = Program::new("ingestor")
            .env("API_KEY", KEY)
            .env("EVENT_WRITER_URL", &bus)
            .start()
            .await;
        let persistor = Program::new("persistor")
            .env("EVENT_READER_URL", &bus)
            .env("DATABASE_URL", &database)
            .start()
            .await;
        let mut api = Program::new("api").env("DATABASE_URL", &database).start().await;
        Ok(Self {
            http,
            ingest: format!("{}/ingest", ingestor.url().await),
            waiting: String::with_capacity(BODY + 1024),
            under_way: JoinSet::new(),
            api: api.url().await,
            database,
            _programs: [ingestor, persistor, api],
            _servers: (nats, postgres),
        })
    }

    /// Adds a reading.
    pub(crate) async fn add(&mut self, device: &str, sensor: &str, value: f64, time: i64) -> anyhow::Result<()> {
        crate::body::line(&mut self.waiting, device, sensor, value, time);
        if self.waiting.len() >= BODY {
            self.send().await
        } else {
            Ok(())
        }
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        while self.under_way.len() >= AT_ONCE {
            self.one_sent().await?;
        }
        let body = std::mem::replace(&mut self.waiting, String::with_capacity(BODY + 1024));
        let request = self.http.post(&self.ingest).bearer_auth(KEY).timeout(LONG).body(body);
        self.under_way.spawn(async move {
            let response = request.send().await.context("load the undisturbed run")?;
            let status = response.status().as_u16();
            let text = response.text().await.context("load the undisturbed run")?;
            ensure!(status == 200, "the undisturbed run answered {status}: {text}");
            Ok(())
        });
        Ok(())
    }

    async fn one_sent(&mut self) -> anyhow::Result<()> {
        match self.under_way.join_next().await {
            Some(sent) => sent.context("load the undisturbed run")?,
            None => Ok(()),
        }
    }

    /// Waits until all added readings are stored.
    pub(crate) async fn settle(&mut self, rows: i64) -> anyhow::Result<()> {
        self.send().await?;
        while !self.under_way.is_empty() {
            self.one_sent().await?;
        }
        let client = connect(&self.database).await?;
        let end = Instant::now() + LONG;
        loop {
            let found: i64 = client.query_one("SELECT count(*) FROM reading", &[]).await?.get(0);
            if found == rows {
                return Ok(());
            }
            ensure!(found < rows, "the undisturbed run holds {found} readings of {rows}");
            ensure!(
                Instant::now() < end,
                "the undisturbed run stored {found} of {rows} readings"
            );
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A connection to a database.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("connect to the database")?;
    tokio::spawn(async move {
        // Ends with the client.
        let _ = connection.await;
    });
    Ok(client)
}

/// Asks an API; returns status and answer.
pub(crate) async fn get(http: &reqwest::Client, url: &str) -> anyhow::Result<(u16, Value)> {
    let response = http
        .get(url)
        .timeout(LONG)
        .send()
        .await
        .with_context(|| format!("GET {url}"))?;
    let status = response.status().as_u16();
    let text = response.text().await.with_context(|| format!("GET {url}"))?;
    let value = serde_json::from_str(&text).with_context(|| format!("GET {url}: {status} {text}"))?;
    Ok((status, value))
}

/// Whether two answers are equal, within [`TOLERANCE`].
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= TOLERANCE * one.abs().max(1.0),
            _ => one == other,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// The lines of a day's dump of a database.
pub(crate) async fn dump(database: &str, day: &str) -> anyhow::Result<String> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let mut dumper = Program::new("dumper")
        .env("DATABASE_URL", database)
        .env("BLOB_STORE_URL", format!("file://{}", folder.path().display()))
        .args(["--dump-date", day])
        .spawn();
    let code = dumper.wait(LONG).await;
    ensure!(
        code == 0,
        "the dumper ended with {code}: {}",
        dumper.output().join("\n")
    );
    let file = std::fs::File::open(folder.path().join(format!("{day}.json.gz"))).context("open the dump")?;
    let mut text = String::new();
    MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .context("read the dump")?;
    Ok(text)
}
