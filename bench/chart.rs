//! A sensor's day, and some weeks of it, in quarters of an hour, from raw rows, beside InfluxDB's
//! `GROUP BY time(15m)` over the same readings: two sensors at 1 Hz, of which the question asks for one.

use crate::data::{COPY_END, COPY_HEAD, DAY_START, MONTH, PARTITION, Reading, copy_row, in_order_of_time};
use crate::http::Connection;
use crate::peers::{self, Influx, bodies, influx};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Database, Servers, partition};
use anyhow::{Context, ensure};
use futures_util::SinkExt;
use hyper::body::Bytes;
use serde_json::Value;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Both sensors, and the sensor of the question.
const LOADED: Range<usize> = 4..6;
const SENSOR: &str = "speed";

/// Rows in a transaction, as the persistor gathers them.
const CHUNK: usize = 50_000;

const SECONDS_OF_DAY: usize = 86_400;
const MICROSECONDS_OF_DAY: i64 = 86_400_000_000;

/// The first of the month of the other workloads' day, in microseconds since 2000-01-01. This workload asks
/// for that first day.
const MONTH_START: i64 = DAY_START - 14 * MICROSECONDS_OF_DAY;

/// Whole days, half of them before the question's day, so that they lie in two months.
#[derive(Clone, Copy)]
struct Span {
    days: usize,
    from: &'static str,
    to: &'static str,
}

/// The same question to both.
struct Question {
    name: String,
    ours: String,
    values: fn(&[u8]) -> anyhow::Result<Vec<f64>>,
    theirs: String,
    buckets: usize,
    goal: f64,
    times: usize,
}

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let Some(mut influx) = Influx::start().await? else {
        report.note(&peers::absent("InfluxDB"));
        return Ok(());
    };
    let span = Span::of(size.days)?;
    influx.load(bodies(span.readings())).await.context("load InfluxDB")?;
    let database = servers.database().await?;
    load(&database, span).await.context("load the rows")?;
    let mut api = servers.start_api(&database).await;
    influx.settled().await?;

    let mut ours = Connection::open(api.address("main").await).await?;
    for question in questions(span, size.runs.max(5)) {
        compare(&question, &mut ours, influx.connection(), report)
            .await
            .with_context(|| question.name.clone())?;
    }
    percentiles(span, size.runs.max(5), &mut ours, report)
        .await
        .context("ask for percentiles")?;
    report.service("api", "chart", &api);
    drop((ours, api));
    servers.forget(&database).await?;
    influx.stop().await;
    Ok(())
}

impl Span {
    fn of(days: usize) -> anyhow::Result<Self> {
        let (from, to) = match days {
            10 => ("2024-04-26", "2024-05-06"),
            30 => ("2024-04-16", "2024-05-16"),
            _ => anyhow::bail!("no dates are known for {days} days"),
        };
        Ok(Self { days, from, to })
    }

    /// Microseconds since 2000-01-01.
    fn start(self) -> i64 {
        (0..self.days / 2).fold(MONTH_START, |start, _| start - MICROSECONDS_OF_DAY)
    }

    fn readings(self) -> impl Iterator<Item = Reading> {
        in_order_of_time(LOADED, self.start(), 1_000_000, self.days * SECONDS_OF_DAY)
    }
}

fn questions(span: Span, runs: usize) -> [Question; 2] {
    let Span { days, from, to } = span;
    let (from, to) = (format!("{from}T00:00:00Z"), format!("{to}T00:00:00Z"));
    let ours = trend(span, "avg");
    let (midnight, next) = (format!("{MONTH}T00:00:00Z"), "2024-05-02T00:00:00Z");
    [
        Question {
            name: "chart: a sensor's day at 1 Hz".to_owned(),
            ours: format!("/api/statistics/sensor/{SENSOR}/date/{MONTH}"),
            values: |body| numbers(&serde_json::from_slice(body)?, "value"),
            theirs: influx::means_path(SENSOR, &midnight, next),
            buckets: 96,
            goal: 1.0,
            // A few milliseconds each, which another load on the machine easily doubles.
            times: 10 * runs,
        },
        Question {
            name: format!("trend: {days} days of a sensor at 1 Hz"),
            ours,
            values: |body| {
                let answer: Value = serde_json::from_slice(body)?;
                numbers(&answer["buckets"], "avg")
            },
            theirs: influx::means_path(SENSOR, &from, &to),
            buckets: 96 * days,
            goal: 0.6,
            times: runs,
        },
    ]
}

/// The path of a trend of the span in quarters of an hour.
fn trend(span: Span, function: &str) -> String {
    let Span { from, to, .. } = span;
    format!("/api/trends?sensor={SENSOR}&from={from}T00:00:00Z&to={to}T00:00:00Z&aggregation=15m&function={function}")
}

/// Asks for the 95th percentile of each bucket and for the average in turn, once to warm up: sorting must not double
/// the time.
async fn percentiles(span: Span, times: usize, ours: &mut Connection, report: &mut Report) -> anyhow::Result<()> {
    let (mut percentiles, mut averages) = (Figure::default(), Figure::default());
    for run in 0..=times {
        for (function, figure) in [("p95", &mut percentiles), ("avg", &mut averages)] {
            let (time, answer) = timed(ours, &trend(span, function)).await?;
            let answer: Value = serde_json::from_slice(&answer)?;
            let buckets = numbers(&answer["buckets"], function)?.len();
            ensure!(buckets == 96 * span.days, "{buckets} buckets, not {}", 96 * span.days);
            if run > 0 {
                figure.add_time(time);
            }
        }
    }
    let name = format!("trend: the 95th percentiles of {} days of a sensor at 1 Hz", span.days);
    report.times(&name, &percentiles, "the averages of the same", &averages, 0.5);
    Ok(())
}

/// Asks both in turn, once to warm up; all answers have to be equal.
async fn compare(
    question: &Question,
    ours: &mut Connection,
    theirs: &mut Connection,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut our_times, mut their_times) = (Figure::default(), Figure::default());
    for run in 0..=question.times {
        let (our_time, answer) = timed(ours, &question.ours).await?;
        let our_values = (question.values)(&answer).context("our answer")?;
        let (their_time, answer) = timed(theirs, &question.theirs).await?;
        let their_values = influx::means(&answer).context("InfluxDB's answer")?;
        ensure!(
            our_values.len() == question.buckets && their_values.len() == question.buckets,
            "{} and {} buckets, not {}",
            our_values.len(),
            their_values.len(),
            question.buckets
        );
        for (ours, theirs) in our_values.iter().zip(&their_values) {
            // Each adds up readings in its own order.
            ensure!(
                (ours - theirs).abs() <= 1e-9 * theirs.abs(),
                "an average is {ours} here and {theirs} there"
            );
        }
        if run > 0 {
            our_times.add_time(our_time);
            their_times.add_time(their_time);
        }
    }
    let rival = "InfluxDB GROUP BY time(15m)";
    report.times(&question.name, &our_times, rival, &their_times, question.goal);
    Ok(())
}

/// Asks a question; returns the time to the whole answer, and the answer.
async fn timed(connection: &mut Connection, path: &str) -> anyhow::Result<(Duration, Bytes)> {
    let start = Instant::now();
    let answer = connection.get(path).await?;
    Ok((start.elapsed(), answer))
}

/// The number under this key in each bucket.
fn numbers(buckets: &Value, key: &str) -> anyhow::Result<Vec<f64>> {
    let buckets = buckets.as_array().context("no buckets")?;
    let number = |bucket: &Value| bucket[key].as_f64().context("a bucket without a number");
    buckets.iter().map(number).collect()
}

/// Fills the database like the persistor: rows of two months in transactions of [`CHUNK`], each sorted by
/// series, the latest values, and the days.
async fn load(database: &Database, span: Span) -> anyhow::Result<()> {
    let client = database.prepare().await?;
    partition(&client, "2024-04-01").await?;
    let mut readings = span.readings().peekable();
    while let Some(first) = readings.peek() {
        let april = first.moment < MONTH_START;
        let partition = if april { "reading_2024_04" } else { PARTITION };
        let mut chunk = Vec::with_capacity(CHUNK);
        while let Some(reading) = readings.next_if(|next| chunk.len() < CHUNK && (next.moment < MONTH_START) == april) {
            chunk.push(reading);
        }
        // Stable, so that each series stays in order of time.
        chunk.sort_by_key(|reading| reading.sensor);
        let mut rows = COPY_HEAD.to_vec();
        for reading in &chunk {
            let series = i32::try_from(reading.sensor)? + 1;
            copy_row(&mut rows, series, reading.moment, reading.value)?;
        }
        rows.extend_from_slice(COPY_END);
        let sink = client.copy_in(&format!("COPY {partition} FROM STDIN BINARY")).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from(rows)).await?;
        sink.finish().await?;
    }
    let Span { from, to, .. } = span;
    client
        .batch_execute(&format!(
            "UPDATE series SET (latest_timestamp, latest_value) =
                 (SELECT timestamp, value FROM reading WHERE series_id = id ORDER BY timestamp DESC LIMIT 1);
             INSERT INTO day SELECT generate_series(date '{from}', date '{to}' - 1, interval '1 day')::date, 1"
        ))
        .await?;
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }
    Ok(())
}
