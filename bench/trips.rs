//! A day's track at 1 Hz, and some weeks of trips, beside reading the same rows: a COPY of the binary format, whose
//! bytes are counted and thrown away.

use crate::data::MONTH;
use crate::http::Connection;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Database, Servers};
use anyhow::{Context, ensure};
use futures_util::TryStreamExt;
use serde_json::Value;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// A trip answers within this, in milliseconds, once it was found.
const WARM: f64 = 10.0;

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let database = servers.database().await?;
    let client = load(&database, size.days).await.context("load the rows")?;
    let mut api = servers.start_api(&database).await;
    let mut connection = Connection::open(api.address("main").await).await?;
    let runs = size.runs.max(3);
    track(&client, &mut connection, 3 * runs, report)
        .await
        .context("track")?;
    trips(&client, &mut connection, size.days, runs, report)
        .await
        .context("trips")?;
    report.service("api", "trips", &api);
    drop((connection, api));
    servers.forget(&database).await
}

async fn track(client: &Client, api: &mut Connection, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let path = "/api/location/track?device=lada&from=2024-05-10T00:00:00Z&to=2024-05-11T00:00:00Z&layout=columns";
    let (mut ours, mut theirs) = (Figure::default(), Figure::default());
    for run in 0..=runs {
        let start = Instant::now();
        let answer = api.get(path).await?;
        let time = start.elapsed();
        let answer: Value = serde_json::from_slice(&answer)?;
        let points = answer["segments"][0]["points"]["latitude"].as_array().map(Vec::len);
        ensure!(points == Some(86_400), "{points:?} points, not a day's");
        let rows = copy(client, "sensor LIKE 'location%'", ("2024-05-10", "2024-05-11")).await?;
        if run > 0 {
            ours.add_time(time);
            theirs.add_time(rows);
        }
    }
    report.times("track: a day at 1 Hz", &ours, "COPY of its rows", &theirs, 0.5);
    Ok(())
}

async fn trips(
    client: &Client,
    api: &mut Connection,
    days: usize,
    runs: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut cold, mut warm, mut theirs) = (Figure::default(), Figure::default(), Figure::default());
    let end = format!("2024-05-{:02}", days + 1);
    let path = format!("/api/trips?device=lada&from={MONTH}T00:00:00Z&to={end}T00:00:00Z");
    for run in 0..=runs {
        // With other versions of its days, what the API has kept of a span is old.
        client.batch_execute("UPDATE day SET version = version + 1").await?;
        for figure in [&mut cold, &mut warm] {
            let start = Instant::now();
            let answer = api.get(&path).await?;
            let time = start.elapsed();
            let answer: Value = serde_json::from_slice(&answer)?;
            let trips = answer["trips"].as_array().map_or(0, Vec::len);
            ensure!(trips >= 12 * days, "{trips} trips in {days} days");
            if run > 0 {
                figure.add_time(time);
            }
        }
        let rows = copy(client, "true", (MONTH, end.as_str())).await?;
        if run > 0 {
            theirs.add_time(rows);
        }
    }
    let name = format!("trips: {days} days of a device at 1 Hz");
    report.times(&name, &cold, "COPY of its rows", &theirs, 1.0 / 1.5);
    report.limit(&format!("{name}, again"), "ms", &warm, WARM);
    Ok(())
}

/// The time to read rows of a span.
async fn copy(client: &Client, sensors: &str, (from, to): (&str, &str)) -> anyhow::Result<Duration> {
    let statement = format!(
        "COPY (SELECT series_id, timestamp, value FROM reading
         WHERE series_id = ANY (ARRAY(SELECT id FROM series WHERE {sensors}))
             AND timestamp >= '{from} 00:00+00' AND timestamp < '{to} 00:00+00') TO STDOUT (FORMAT binary)"
    );
    let start = Instant::now();
    let mut rows = pin!(client.copy_out(&statement).await?);
    let mut bytes = 0;
    while let Some(chunk) = rows.try_next().await? {
        bytes += chunk.len();
    }
    ensure!(bytes > 0, "no rows from {from} to {to}");
    Ok(start.elapsed())
}

/// Loads days of a vehicle that drives an hour and stands an hour: its speed, places and fuel each second.
async fn load(database: &Database, days: usize) -> anyhow::Result<Client> {
    let client = database.prepare().await?;
    for (sensor, value) in [
        ("speed", "CASE WHEN second % 7200 < 3600 THEN 60 ELSE 0 END"),
        ("fuel", "50 - (second % 7200) / 1000.0"),
        // To the north and back.
        (
            "location_latitude",
            "45 + abs((second / 7200 * 3600 + least(second % 7200, 3600)) % 7200 - 3600) * 16.667 / 111195",
        ),
        ("location_longitude", "13"),
    ] {
        let seconds = days * 86_400 - 1;
        client
            .batch_execute(&format!(
                "INSERT INTO series (device, sensor) VALUES ('lada', '{sensor}') ON CONFLICT DO NOTHING;
                 INSERT INTO reading
                 SELECT id, timestamptz '{MONTH} 00:00+00' + second * interval '1 second', ({value})::float8
                 FROM series, generate_series(0, {seconds}) AS second
                 WHERE sensor = '{sensor}' AND device = 'lada'"
            ))
            .await?;
    }
    client
        .batch_execute(&format!(
            "DELETE FROM series WHERE NOT sensor = ANY ('{{speed,fuel,location_latitude,location_longitude}}');
             UPDATE series SET (latest_timestamp, latest_value) =
                 (SELECT timestamp, value FROM reading WHERE series_id = id ORDER BY timestamp DESC LIMIT 1);
             INSERT INTO day SELECT generate_series(date '{MONTH}', date '{MONTH}' + {days} - 1, interval '1 day')::date, 1"
        ))
        .await?;
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }
    Ok(client)
}
