//! A day of readings over HTTP, as NDJSON and in pages, beside psql's COPY of the same rows.

use crate::data::Data;
use crate::http::Connection;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Servers, output};
use anyhow::{Context, ensure};
use hyper::body::Bytes;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// Readings of a page: as many as it may have.
const PAGE: usize = 10_000;

const GOAL: f64 = 0.8;

const RIVAL: &str = "psql COPY to stdout";

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let database = servers.database().await?;
    let client = database.prepare().await?;
    database.load(&data.copy)?;
    client
        .batch_execute("UPDATE series SET latest_timestamp = (SELECT max(timestamp) FROM reading WHERE series_id = id)")
        .await?;
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }
    drop(client);
    let mut api = servers.start_api(&database).await;
    let address = api.address("main").await;
    let mut connection = Connection::open(address).await?;
    let (mut rival, mut lines, mut pages) = (Figure::default(), Figure::default(), Figure::default());
    // The first run warms up.
    for run in 0..=size.runs {
        let copied = copy(&database.url, data.readings)?;
        let streamed = stream(address, data.readings)?;
        let paged = page_through(&mut connection, data.readings, run == 0).await?;
        if run > 0 {
            rival.add_rate(data.readings, copied);
            lines.add_rate(data.readings, streamed);
            pages.add_rate(data.readings, paged);
        }
    }
    report.service("api", "readings", &api);
    drop((connection, api));
    servers.forget(&database).await?;
    report.ratio("readings: NDJSON of a day", "readings/s", &lines, RIVAL, &rival, GOAL);
    report.ratio("readings: pages of 10,000", "readings/s", &pages, RIVAL, &rival, GOAL);
    Ok(())
}

/// The rival: no ORDER BY, so that the server sends rows as it finds them.
fn copy(url: &str, readings: usize) -> anyhow::Result<Duration> {
    let query = "copy (select device, sensor, timestamp, value from readings) to stdout";
    lines_of(&format!("psql -qX -d '{url}' -c '{query}'"), readings)
}

fn stream(address: SocketAddr, readings: usize) -> anyhow::Result<Duration> {
    let url = format!("http://{address}/api/readings?format=ndjson");
    lines_of(&format!("curl -sSf '{url}'"), readings)
}

/// Runs a command that has to print this many lines; returns the time to the last one.
fn lines_of(command: &str, expected: usize) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let counted = format!("{command} | wc -l");
    let lines = output(Command::new("bash").args(["-o", "pipefail", "-c", &counted]))?;
    let time = start.elapsed();
    let lines: usize = lines.trim().parse()?;
    ensure!(lines == expected, "{command}: {lines} lines, not {expected}");
    Ok(time)
}

/// Asks for all pages, one after the other; returns the time to the last one. Looks at every reading only if told.
async fn page_through(connection: &mut Connection, expected: usize, counts: bool) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let (mut pages, mut readings) = (0, 0);
    let mut cursor = String::new();
    loop {
        let page = connection.get(&format!("/api/readings?limit={PAGE}{cursor}")).await?;
        pages += 1;
        if counts {
            let page: Value = serde_json::from_slice(&page)?;
            readings += page["readings"].as_array().context("no readings")?.len();
        }
        match next(&page)? {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let time = start.elapsed();
    ensure!(pages == expected.div_ceil(PAGE), "{pages} pages of {expected} readings");
    ensure!(!counts || readings == expected, "{readings} readings, not {expected}");
    Ok(time)
}

/// The cursor at a page's end: the client must not take long.
fn next(page: &Bytes) -> anyhow::Result<Option<String>> {
    let end = String::from_utf8_lossy(&page[page.len().saturating_sub(400)..]);
    let (_, cursor) = end
        .rsplit_once("\"nextCursor\":")
        .context("a page without nextCursor")?;
    let cursor = cursor.trim_end_matches('}');
    Ok((cursor != "null").then(|| cursor.trim_matches('"').to_owned()))
}
