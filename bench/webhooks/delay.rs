//! How soon an upload's event reaches its endpoint after the upload's answer.

use super::setting::{in_force, notifier, prepare};
use super::sink::Sink;
use crate::live::percentile;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{KEY, Servers};
use anyhow::{Context, ensure};
use std::time::{Duration, Instant};

/// Uploads of each run, for a second of live load.
const UPLOADS: u64 = 20;

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let mut slow = Figure::default();
    for _ in 0..size.live_runs {
        let sink = Sink::start("\"probe\":").await?;
        let database = servers.database().await?;
        let client = prepare(&database).await?;
        let insert = "INSERT INTO subscription (filter, fire, target_url) VALUES ('probe > 0', 'each', $1)";
        client.execute(insert, &[&sink.url("/probe")]).await?;
        let process = notifier(&database).await;
        in_force(&client).await?;
        let mut system = servers.start_programs(&database).await;
        let (http, ingest) = (
            reqwest::Client::new(),
            format!("{}/ingest", system.ingestor.url().await),
        );
        let mut times = Vec::new();
        for number in 1..=size.live_seconds * UPLOADS {
            let moment = jiff::Timestamp::from_second(1_715_731_200 + i64::try_from(number)?)?;
            let body = format!(r#"{{"sensor":"probe","value":{number},"timestamp":"{moment}","device":"probe"}}"#);
            let answer = http.post(&ingest).bearer_auth(KEY).body(body).send().await?;
            let answered = Instant::now();
            ensure!(
                answer.status() == 200,
                "an upload was answered with {}",
                answer.status()
            );
            let came = sink.take(usize::try_from(number)?).await?;
            let came = came
                .iter()
                .find(|came| came.number == number)
                .context("no webhook of it came")?;
            times.push(came.at.saturating_duration_since(answered).as_secs_f64() * 1e3);
            // Apart from the beat of the evaluator's looks.
            tokio::time::sleep(Duration::from_millis(number * 7 % 50)).await;
        }
        slow.add(percentile(times, 0.99));
        report.service("notifier", "upload to webhook", &process);
        drop((process, system, client));
        servers.forget(&database).await?;
    }
    report.limit("from 200 to the webhook: 99 of 100", "ms", &slow, 250.0);
    Ok(())
}
