//! The bulk load while none, one or each of the six sensors is watched, beside a persistor that writes no changes.

use super::setting::{in_force, judged, notifier, prepare};
use super::sink::Sink;
use crate::bulk::{check, upload};
use crate::data::{Data, SENSORS};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::Servers;
use std::time::Duration;

/// What the values of each sensor cross a thousand times.
const MIDDLES: [f64; SENSORS.len()] = [60.0, 60.0, 45.2, 13.7, 2000.0, 60.0];

/// Sensors that are watched, and the goal beside a persistor that writes no changes.
const WATCHED: [(&str, usize, f64); 3] = [
    ("bulk without subscriptions", 0, 0.99),
    ("bulk, one sensor of six watched", 1, 0.9),
    ("bulk, all six watched", SENSORS.len(), 0.7),
];

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let expected = servers.expected(data).await?;
    let mut ours: [Figure; WATCHED.len()] = std::array::from_fn(|_| Figure::default());
    let mut never = Figure::default();
    for _ in 0..size.runs {
        never.add_rate(data.readings, run(servers, data, None, expected, report).await?);
        for ((_, sensors, _), figure) in WATCHED.iter().zip(&mut ours) {
            let seconds = run(servers, data, Some(*sensors), expected, report).await?;
            figure.add_rate(data.readings, seconds);
        }
    }
    for ((name, _, goal), figure) in WATCHED.iter().zip(&ours) {
        report.ratio(name, "readings/s", figure, "with --changes never", &never, *goal);
    }
    Ok(())
}

/// The time of a bulk load with so many sensors watched; none writes no changes.
async fn run(
    servers: &Servers,
    data: &Data,
    watched: Option<usize>,
    expected: (i64, i64),
    report: &mut Report,
) -> anyhow::Result<Duration> {
    let sink = Sink::start("\"n\":").await?;
    let database = servers.database().await?;
    let client = prepare(&database).await?;
    for (sensor, middle) in SENSORS.iter().zip(MIDDLES).take(watched.unwrap_or_default()) {
        let filter = format!("value[\"{sensor}\"] > {middle:?}");
        let insert = "INSERT INTO subscription (filter, fire, target_url) VALUES ($1, 'both', $2)";
        client.execute(insert, &[&filter, &sink.url("/watched")]).await?;
    }
    // It runs in all of them, so that only the watching differs.
    let process = notifier(&database).await;
    in_force(&client).await?;
    let changes = if watched.is_some() { "auto" } else { "never" };
    let mut system = servers.start_programs_with(&database, &["--changes", changes]).await;
    let time = upload(&mut system, data, data.readings).await?;
    check(&database, expected).await?;
    judged(&client).await?;
    report.service("notifier", "bulk, watched", &process);
    drop((process, system, client));
    servers.forget(&database).await?;
    Ok(time)
}
