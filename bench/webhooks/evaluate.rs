//! Evaluating stored readings by a rule of all their sensors, beside reading them out by COPY.

use super::setting::{in_force, judged, notifier, partitions};
use crate::data::{Data, SENSORS};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Servers, output};
use anyhow::ensure;
use std::process::Command;
use std::time::Instant;

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut copy) = (Figure::default(), Figure::default());
    let database = servers.database().await?;
    let client = database.prepare().await?;
    partitions(&client).await?;
    let filter = SENSORS
        .map(|sensor| format!("value[\"{sensor}\"] > 1000000.0"))
        .join(" || ");
    let insert = "INSERT INTO subscription (filter, fire, target_url) VALUES ($1, 'both', 'https://hooks.example.com')";
    client.execute(insert, &[&filter]).await?;
    let process = notifier(&database).await;
    // Before there are readings, none is told.
    in_force(&client).await?;
    database.load(&data.copy)?;
    let latest = "UPDATE series SET latest_timestamp = (SELECT max(timestamp) FROM reading WHERE series_id = id)";
    client.batch_execute(latest).await?;
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }
    let read_out =
        "\\copy (SELECT series_id, timestamp, value FROM reading ORDER BY series_id, timestamp) to '/dev/null' binary";
    for _ in 0..size.runs {
        let start = Instant::now();
        output(Command::new("psql").args(["-qX", "-d", &database.url, "-c", read_out]))?;
        copy.add_rate(data.readings, start.elapsed());

        let change = "INSERT INTO change (series, firsts, lasts)
            SELECT array_agg(series_id), array_agg(first), array_agg(last)
            FROM (SELECT series_id, min(timestamp) AS first, max(timestamp) AS last FROM reading GROUP BY series_id) AS spans";
        let start = Instant::now();
        ensure!(client.execute(change, &[]).await? == 1, "no change was written");
        let before = start.elapsed();
        judged(&client).await?;
        ours.add_rate(data.readings, start.elapsed() - before);
    }
    report.service("notifier", "evaluation", &process);
    drop((process, client));
    servers.forget(&database).await?;
    report.ratio(
        "evaluation of stored readings by one rule",
        "readings/s",
        &ours,
        "psql COPY, binary, of the same rows",
        &copy,
        0.5,
    );
    Ok(())
}
