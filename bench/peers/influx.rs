//! InfluxDB 1.6.

use super::installed::{INSTALL, installed};
use super::load::{Load, Totals};
use crate::http::Connection;
use anyhow::{Context, ensure};
use hyper::body::Bytes;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use testutil::Running;
use tokio::process::Command;

const WRITE: &str = "/write?db=bench";

/// A private InfluxDB with an empty database. Dropping it kills it.
pub(crate) struct Influx {
    // Declared before its files, so that it is dropped first.
    server: Running,
    connection: Connection,
    _folder: TempDir,
}

impl Influx {
    /// Starts an InfluxDB on free ports, if it is installed.
    pub(crate) async fn start() -> anyhow::Result<Option<Self>> {
        let Some(program) = installed("influxd") else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let (config, log) = (folder.path().join("influxdb.conf"), folder.path().join("influxdb.log"));
        std::fs::write(&config, configuration(folder.path())).context("write InfluxDB's configuration")?;
        let mut command = Command::new(program);
        command.arg("-config").arg(&config);
        let mut server = Running::start("influxd", &mut command, &log, INSTALL)?;
        let address = server.until(|| async { logged_address(&log) }).await?;
        let mut connection = server.until(|| async { Connection::open(address).await.ok() }).await?;
        connection.get("/ping").await?;
        let create = format!("/query?q={}", percent::encode(b"CREATE DATABASE bench"));
        answer(&connection.post(&create, Bytes::new()).await?)?;
        Ok(Some(Self {
            server,
            connection,
            _folder: folder,
        }))
    }

    /// Loads readings.
    pub(crate) async fn load(&mut self, bodies: impl Iterator<Item = Bytes>) -> anyhow::Result<()> {
        for body in bodies {
            self.connection.post(WRITE, body).await?;
        }
        Ok(())
    }

    /// Waits until compactions have ended.
    pub(crate) async fn settled(&mut self) -> anyhow::Result<()> {
        let Self { server, connection, .. } = self;
        let connection = tokio::sync::Mutex::new(connection);
        let path = format!("/query?q={}", percent::encode(b"SHOW STATS"));
        server
            .until(|| async {
                let stats = connection.lock().await.get(&path).await.ok()?;
                (compactions(&answer(&stats).ok()?) == 0).then_some(())
            })
            .await
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(crate) async fn stop(mut self) {
        self.server.kill9().await;
    }
}

/// Measures loading the readings of a bulk.
pub(super) async fn bulk(load: &Load) -> anyhow::Result<Option<Duration>> {
    let Some(mut influx) = Influx::start().await? else {
        return Ok(None);
    };
    let time = load.send(&mut influx.connection, WRITE).await?;
    let query = "SELECT count(value), sum(value) FROM reading";
    let path = format!("/query?db=bench&q={}", percent::encode(query.as_bytes()));
    let totals = answer(&influx.connection.get(&path).await?)?;
    let row = &totals["series"][0]["values"][0];
    let found = Totals {
        readings: row[1]
            .as_u64()
            .and_then(|count| count.try_into().ok())
            .unwrap_or_default(),
        sum: row[2].as_f64().unwrap_or_default(),
    };
    influx.stop().await;
    load.check("InfluxDB", found)?;
    Ok(Some(time))
}

/// The path of a question for a sensor's means by quarters of an hour.
pub(crate) fn means_path(sensor: &str, from: &str, to: &str) -> String {
    let query = format!(
        "SELECT mean(value) FROM reading WHERE device = 'lada' AND sensor = '{sensor}' \
         AND time >= '{from}' AND time < '{to}' GROUP BY time(15m)"
    );
    format!("/query?db=bench&epoch=ms&q={}", percent::encode(query.as_bytes()))
}

/// The means in an answer.
pub(crate) fn means(body: &[u8]) -> anyhow::Result<Vec<f64>> {
    let result = answer(body)?;
    let rows = result["series"][0]["values"].as_array().context("no buckets")?;
    rows.iter()
        .map(|row| row[1].as_f64().context("an empty bucket"))
        .collect()
}

/// Its default configuration, except for folders, addresses, self-monitoring and usage reports.
fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:0"
log-enabled = false
"#
    )
}

/// The address in its log, on a free port of its choice.
fn logged_address(log: &Path) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(log).ok()?;
    let (_, line) = text.split_once("Listening on HTTP")?;
    let (_, address) = line.lines().next()?.split_once("addr=")?;
    address.split(' ').next()?.parse().ok()
}

/// The result in an answer; failures have status 200 as well.
fn answer(body: &[u8]) -> anyhow::Result<Value> {
    let mut answer: Value = serde_json::from_slice(body).context("not JSON")?;
    let result = answer["results"][0].take();
    ensure!(result["error"].is_null(), "InfluxDB says {}", result["error"]);
    Ok(result)
}

/// Number of queued and running compactions.
fn compactions(stats: &Value) -> u64 {
    let mut sum = 0;
    for series in stats["series"].as_array().into_iter().flatten() {
        let (Some(columns), Some(values)) = (series["columns"].as_array(), series["values"][0].as_array()) else {
            continue;
        };
        for (column, value) in columns.iter().zip(values) {
            let name = column.as_str().unwrap_or_default();
            if name.ends_with("CompactionsActive") || name.ends_with("CompactionQueue") {
                sum += value.as_u64().unwrap_or_default();
            }
        }
    }
    sum
}
