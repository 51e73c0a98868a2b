//! VictoriaMetrics 1.79.

use super::installed::{INSTALL, free, installed};
use super::load::{Load, Totals};
use crate::http::Connection;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::time::Duration;
use testutil::Running;
use tokio::process::Command;

/// The end of the day, in seconds since 1970: two days up to here hold all readings of a bulk.
const AFTER: u32 = 1_715_817_600;

/// Measures loading the readings of a bulk, if VictoriaMetrics is installed.
pub(super) async fn bulk(load: &Load) -> anyhow::Result<Option<Duration>> {
    let Some(program) = installed("victoria-metrics") else {
        return Ok(None);
    };
    let folder = tempfile::tempdir()?;
    let address = free()?;
    let mut command = Command::new(program);
    command
        .arg(format!("-httpListenAddr={address}"))
        .arg(format!("-storageDataPath={}", folder.path().join("data").display()))
        // The readings are years old, and the default retention is a month.
        .arg("-retentionPeriod=100y");
    let log = folder.path().join("victoria.log");
    let mut server = Running::start("victoria-metrics", &mut command, &log, INSTALL)?;
    let mut connection = server.until(|| async { Connection::open(address).await.ok() }).await?;
    connection.get("/health").await?;
    let time = load.send(&mut connection, "/write").await?;
    // Without a flush, readings become visible only some time later.
    connection.get("/internal/force_flush").await?;
    let found = Totals {
        readings: ask(&mut connection, "sum(count_over_time(reading_value[2d]))")
            .await?
            .parse()?,
        sum: ask(&mut connection, "sum(sum_over_time(reading_value[2d]))")
            .await?
            .parse()?,
    };
    server.kill9().await;
    load.check("VictoriaMetrics", found)?;
    Ok(Some(time))
}

/// The single value of a query over the raw readings, neither cached nor downsampled.
async fn ask(connection: &mut Connection, query: &str) -> anyhow::Result<String> {
    let path = format!(
        "/api/v1/query?nocache=1&time={AFTER}&query={}",
        percent::encode(query.as_bytes())
    );
    let answer: Value = serde_json::from_slice(&connection.get(&path).await?).context("not JSON")?;
    ensure!(answer["status"] == "success", "VictoriaMetrics says {answer}");
    let value = answer["data"]["result"][0]["value"][1].as_str();
    Ok(value.context("VictoriaMetrics holds no readings")?.to_owned())
}
