//! Deliveries a second beside a bare loop of requests with the same bodies, endpoint and number at once, beside
//! graphile-worker, and while another transaction holds a snapshot.

use super::setting::{notifier, prepare, queue};
use super::sink::{Came, Sink};
use crate::peers::{absent, graphile};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Database, Servers, connect};
use anyhow::{Context, ensure};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testutil::Signal;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_postgres::Client;

/// Requests at once, of the subscription and of the loop.
const AT_ONCE: usize = 64;

/// Between two commits of the evaluator while the snapshot is held.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a notifier may take to end.
const END: Duration = Duration::from_secs(30);

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let [mut ours, mut bare, mut worker, mut free, mut held] = std::array::from_fn(|_| Figure::default());
    let sink = Arc::new(Sink::start("\"n\":").await?);
    let database = servers.database().await?;
    let client = prepare(&database).await?;
    let insert = "INSERT INTO subscription (name, filter, target_url, ordering, parallel) VALUES ('rate', 'speed > 1000', $1, 'none', $2)";
    client
        .execute(insert, &[&sink.url("/rate"), &i32::try_from(AT_ONCE)?])
        .await?;
    for _ in 0..size.runs {
        let rate = deliver(&database, &client, &sink, size.deliveries, report).await?;
        ours.add(rate);
        bare.add(requests(&sink, size.deliveries).await?);
        if let Some(rate) = jobs(servers, &sink, size.deliveries).await? {
            worker.add(rate);
        }
    }
    for _ in 0..size.held_runs {
        free.add(deliver(&database, &client, &sink, size.deliveries, report).await?);
        let holder = connect(&database.url).await?;
        holder
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM evaluator")
            .await?;
        let mut process = notifier(&database).await;
        let until = Instant::now() + Duration::from_secs(size.held_seconds);
        while Instant::now() < until {
            // A change of no series: the evaluator takes it, and commits.
            client
                .execute(
                    "INSERT INTO change (series, firsts, lasts) VALUES ('{}', '{}', '{}')",
                    &[],
                )
                .await?;
            sleep(PAUSE).await;
        }
        process.signal(Signal::SIGTERM);
        process.wait(END).await;
        held.add(deliver(&database, &client, &sink, size.deliveries, report).await?);
        holder.batch_execute("ROLLBACK").await?;
    }
    servers.forget(&database).await?;
    report.ratio(
        "deliveries",
        "webhooks/s",
        &ours,
        "reqwest in a loop, same bodies and endpoint",
        &bare,
        0.4,
    );
    if worker.is_empty() {
        report.note(&absent("graphile-worker"));
    } else {
        let rival = "graphile-worker 0.18, same PostgreSQL, endpoint and number at once";
        report.ratio("deliveries, beside jobs", "webhooks/s", &ours, rival, &worker, 3.0);
    }
    report.ratio(
        &format!("deliveries while a snapshot is held for {} s", size.held_seconds),
        "webhooks/s",
        &held,
        "without it",
        &free,
        0.9,
    );
    Ok(())
}

/// Queues deliveries, starts a notifier, and waits until all were sent. Returns how many a second.
async fn deliver(
    database: &Database,
    client: &Client,
    sink: &Sink,
    count: usize,
    report: &mut Report,
) -> anyhow::Result<f64> {
    queue(client, "rate", count).await?;
    client.batch_execute("VACUUM ANALYZE delivery").await?;
    sink.clear();
    let mut process = notifier(database).await;
    let came = sink.take(count).await?;
    let numbers: BTreeSet<u64> = came.iter().map(|came| came.number).collect();
    ensure!(numbers.len() == count, "{} of {count} webhooks came", numbers.len());
    report.service("notifier", "deliveries", &process);
    // Notes what has ended, so that the next one does not send it again.
    process.signal(Signal::SIGTERM);
    process.wait(END).await;
    rate(&came)
}

/// Queues as many jobs of graphile-worker with the same data, starts a worker, and waits until all were sent. Returns
/// how many a second; none if it is not installed.
async fn jobs(servers: &Servers, sink: &Sink, count: usize) -> anyhow::Result<Option<f64>> {
    let database = servers.database().await?;
    if !graphile::prepare(&database.url)? {
        servers.forget(&database).await?;
        return Ok(None);
    }
    let client = connect(&database.url).await?;
    let insert = "SELECT count(graphile_worker.add_job('webhook', json_build_object('n', number,
            'subscription', 'rate', 'device', 'lada', 'state', true, 'since', now(),
            'values', json_build_object('engine_temperature', 106.2), 'late', false)))
        FROM generate_series(1, $1::bigint) AS number";
    client.query(insert, &[&i64::try_from(count)?]).await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    sink.clear();
    let worker = graphile::start(&database.url, &sink.url("/rate"), AT_ONCE)?;
    let came = sink.take(count).await?;
    drop((worker, client));
    servers.forget(&database).await?;
    Ok(Some(rate(&came)?))
}

/// Sends the last webhook so many times. Returns how many a second.
async fn requests(sink: &Sink, count: usize) -> anyhow::Result<f64> {
    let last = String::from_utf8(sink.last())?;
    let (head, body) = last.split_once("\r\n\r\n").context("there is no webhook yet")?;
    let lines: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !["host", "content-length"].contains(&name.to_ascii_lowercase().as_str()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (lines, body, url) = (Arc::new(lines), body.to_owned(), sink.url("/rate"));
    let http = reqwest::Client::builder().pool_max_idle_per_host(AT_ONCE).build()?;
    sink.clear();
    let sent = Arc::new(AtomicUsize::new(0));
    let mut loops = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (http, lines, body, url, sent) = (http.clone(), lines.clone(), body.clone(), url.clone(), sent.clone());
        loops.spawn(async move {
            while sent.fetch_add(1, Ordering::Relaxed) < count {
                let mut request = http.post(&url).body(body.clone());
                for (name, value) in lines.iter() {
                    request = request.header(name, value);
                }
                let status = request.send().await?.status();
                ensure!(status == 204, "{status}");
            }
            Ok(())
        });
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    rate(&sink.take(count).await?)
}

/// Webhooks a second, from the first to the last.
fn rate(came: &[Came]) -> anyhow::Result<f64> {
    let first = came.iter().map(|came| came.at).min().context("nothing came")?;
    let last = came.iter().map(|came| came.at).max().context("nothing came")?;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = came.len() as f64;
    Ok(count / (last - first).as_secs_f64())
}
