//! How soon published messages reach a hundred endpoints, while two of them do not answer and while none.

use super::setting::{TOPIC, in_force, notifier, prepare, publish};
use super::sink::Sink;
use crate::live::percentile;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::Servers;
use anyhow::ensure;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Endpoints, of which the first two may be bad.
const ENDPOINTS: usize = 100;

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let (mut bad, mut good) = (Figure::default(), Figure::default());
    for _ in 0..size.live_runs {
        good.add(run(servers, size, false, report).await?);
        bad.add(run(servers, size, true, report).await?);
    }
    report.times(
        "webhooks while 2 of 100 endpoints hang or refuse: 99 of 100 of the others",
        &bad,
        "while none does",
        &good,
        1.0 / 1.2,
    );
    Ok(())
}

/// The 99th percentile of the milliseconds from the answer to a publisher to the webhook, at the good endpoints.
async fn run(servers: &Servers, size: Size, are_bad: bool, report: &mut Report) -> anyhow::Result<f64> {
    let sink = Sink::start("\"n\":").await?;
    let database = servers.database().await?;
    let client = prepare(&database).await?;
    for endpoint in 0..ENDPOINTS {
        let url = match endpoint {
            0 if are_bad => sink.hanging(),
            // No server listens there.
            1 if are_bad => "http://127.0.0.1:1/".to_owned(),
            _ => sink.url(&format!("/{endpoint}")),
        };
        let insert = "INSERT INTO subscription (topic, filter, target_url) VALUES ($1, 'data.body.n >= 0', $2)";
        client.execute(insert, &[&TOPIC, &url]).await?;
    }
    let mut process = notifier(&database).await;
    in_force(&client).await?;
    let (http, url) = (reqwest::Client::new(), process.url().await);
    let end = Instant::now() + Duration::from_secs(size.live_seconds);
    let mut answered = HashMap::new();
    let mut number = 0;
    while Instant::now() < end {
        let (at, pause) = tokio::join!(publish(&http, &url, number), sleep(PAUSE));
        let () = pause;
        answered.insert(number, at?);
        number += 1;
    }
    let expected = answered.len() * (ENDPOINTS - if are_bad { 2 } else { 0 });
    let came = sink.take(expected).await?;
    ensure!(came.len() == expected, "{} webhooks came, not {expected}", came.len());
    let others = came.iter().filter(|came| came.path != "/0" && came.path != "/1");
    let times = others.filter_map(|came| {
        let answered = answered.get(&came.number)?;
        Some(came.at.saturating_duration_since(*answered).as_secs_f64() * 1e3)
    });
    let slow = percentile(times.collect(), 0.99);
    report.service("notifier", "100 endpoints", &process);
    drop((process, client));
    servers.forget(&database).await?;
    Ok(slow)
}
