//! The cost of a long history: bulk into it beside bulk into an empty database, and its latest values
//! beside a request that does nothing.

use crate::bulk;
use crate::data::{DAY, Data, SENSORS};
use crate::load::{Ask, Generator};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Database, Servers, partition};
use testutil::Process;

/// Readings of the short history, beside which the long one is measured.
const SHORT: usize = 300_000;

/// Sets the latest values like the persistor.
const LATEST: &str = "UPDATE series SET (latest_timestamp, latest_value) =
     (SELECT timestamp, value FROM reading WHERE series_id = id ORDER BY timestamp DESC LIMIT 1)";

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let (short, long) = (servers.database().await?, servers.database().await?);
    fill(&short, SHORT).await?;
    fill(&long, size.history).await?;
    latest(servers, &short, &long, size, report).await?;

    let (mut ours, mut empty) = (Figure::default(), Figure::default());
    let expected = servers.expected(data).await?;
    for _ in 0..size.runs {
        let database = servers.database().await?;
        empty.add_rate(data.readings, upload(servers, &database, data, report).await?);
        bulk::check(&database, expected).await?;
        servers.forget(&database).await?;
        ours.add_rate(data.readings, upload(servers, &long, data, report).await?);
        bulk::check(&long, expected).await?;
        // Restores the history for the next run.
        let client = crate::system::connect(&long.url).await?;
        let deleted = client
            .execute(&format!("DELETE FROM reading WHERE timestamp >= '{DAY} 00:00+00'"), &[])
            .await?;
        anyhow::ensure!(
            usize::try_from(deleted)? == data.readings,
            "{deleted} rows came into the history, not {}",
            data.readings
        );
        client.batch_execute(LATEST).await?;
        client.batch_execute("VACUUM ANALYZE").await?;
        client.batch_execute("CHECKPOINT").await?;
    }
    for database in [short, long] {
        servers.forget(&database).await?;
    }
    report.ratio(
        &format!("growth: bulk into {} M rows of 12 months", size.history / 1_000_000),
        "readings/s",
        &ours,
        "bulk into an empty database",
        &empty,
        0.9,
    );
    Ok(())
}

async fn upload(
    servers: &Servers,
    database: &Database,
    data: &Data,
    report: &mut Report,
) -> anyhow::Result<std::time::Duration> {
    let mut system = servers.start_programs(database).await;
    let time = bulk::upload(&mut system, data, data.readings).await?;
    report.service("ingestor", "growth", &system.ingestor);
    report.service("persistor", "growth", &system.persistor);
    Ok(time)
}

/// Readings of six sensors, evenly over the twelve months before the day.
async fn fill(database: &Database, readings: usize) -> anyhow::Result<()> {
    let client = database.prepare().await?;
    let months: Vec<String> = client
        .query(
            &format!("SELECT to_char(generate_series(date '{DAY}' - interval '1 year', date '{DAY}' - interval '1 month', '1 month'), 'YYYY-MM-01')"),
            &[],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect();
    let each = readings / SENSORS.len();
    for month in &months {
        partition(&client, month).await?;
    }
    for id in 1..=SENSORS.len() {
        client
            .batch_execute(&format!(
                "INSERT INTO reading
                 SELECT {id}, timestamptz '{DAY} 00:00+00' - interval '1 year' + number * (interval '365 days' / {each}), sin(number)
                 FROM generate_series(0, {each} - 1) AS number"
            ))
            .await?;
    }
    client.batch_execute(LATEST).await?;
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

async fn latest(
    servers: &Servers,
    short: &Database,
    long: &Database,
    size: Size,
    report: &mut Report,
) -> anyhow::Result<()> {
    let generator = Generator::new()?;
    let (mut few, mut many) = (servers.start_api(short).await, servers.start_api(long).await);
    let livez = format!("http://{}/livez", many.address("admin").await);
    for (name, path, good) in [
        (
            "latest statistics",
            "/api/statistics/latest",
            "\"speed\":{\"device\":\"lada\",\"value\":",
        ),
        ("latest location", "/api/location/latest", "\"device\":\"lada\""),
    ] {
        let [mut nothing, mut of_few, mut of_many] = std::array::from_fn(|_| Figure::default());
        for _ in 0..size.runs {
            let ask = async |url: &str, good: &str, figure: &mut Figure| {
                let ask = Ask::Get { url, good };
                figure.add(generator.run(ask, size.asking_seconds).await?.rate);
                anyhow::Ok(())
            };
            ask(&livez, "ok", &mut nothing).await?;
            ask(&url(&mut few, path).await, good, &mut of_few).await?;
            ask(&url(&mut many, path).await, good, &mut of_many).await?;
        }
        let rows = size.history / 1_000_000;
        report.ratio(
            name,
            "requests/s",
            &of_many,
            "wrk on the same process's /livez",
            &nothing,
            0.25,
        );
        report.ratio(
            &format!("{name}, {rows} M rows"),
            "requests/s",
            &of_many,
            "the same of 300,000 rows",
            &of_few,
            // Equally fast, except for noise.
            0.95,
        );
    }
    report.service("api", "latest", &many);
    Ok(())
}

async fn url(api: &mut Process, path: &str) -> String {
    format!("{}{path}", api.url().await)
}
