//! Many small posts: their rate beside a request that does nothing, and how soon a post is visible while
//! others, or a month of history, are in flight.

use crate::data::{DAY, Data};
use crate::load::{Ask, CONNECTIONS, Generator};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Database, KEY, Servers, System, connect, counter, output};
use anyhow::ensure;
use std::time::{Duration, Instant};

/// Seconds of requests to `/livez`.
const LIVEZ_SECONDS: u64 = 5;

/// Seconds of the run that calibrates the pause, and the day of its posts.
const CALIBRATION_SECONDS: u64 = 3;
const DAY_BEFORE: &str = "2024-05-14";

/// How long to wait for a probe at the most.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let generator = Generator::new()?;
    let [mut posts, mut livez, mut slow, mut backlog] = std::array::from_fn(|_| Figure::default());
    let [mut under_load, mut share, mut under_bulk] = std::array::from_fn(|_| Figure::default());
    let expected = servers.expected(data).await?;
    for _ in 0..size.live_runs {
        let database = servers.database().await?;
        let mut system = servers.start_programs(&database).await;
        let maximum = load(
            &generator,
            &mut system,
            size,
            [&mut posts, &mut livez, &mut slow, &mut backlog],
        )
        .await?;
        check(&database, &mut system, 0).await?;
        for (name, process) in [("ingestor", &system.ingestor), ("persistor", &system.persistor)] {
            report.service(name, "live", process);
        }
        drop(system);
        servers.forget(&database).await?;

        let database = servers.database().await?;
        let mut system = servers.start_programs(&database).await;
        visible_under_load(
            servers,
            &generator,
            (&database, &mut system),
            maximum,
            size,
            [&mut under_load, &mut share],
            report,
        )
        .await?;
        drop(system);
        servers.forget(&database).await?;

        let database = servers.database().await?;
        let mut system = servers.start_programs(&database).await;
        visible_under_bulk(servers, data, &database, &mut system, &mut under_bulk).await?;
        crate::bulk::check(&database, expected).await?;
        for (name, process) in [("ingestor", &system.ingestor), ("persistor", &system.persistor)] {
            report.service(name, "visible during bulk", process);
        }
        drop(system);
        servers.forget(&database).await?;
    }
    report.ratio(
        "live: posts of 6 readings",
        "requests/s",
        &posts,
        "wrk on the same process's /livez",
        &livez,
        0.4,
    );
    report.limit("live: 99 of 100 answers", "ms", &slow, 25.0);
    report.limit("live: behind after the load", "s", &backlog, 1.0);
    let at = format!("visible under {} of that load: 99 of 100", share.cell());
    report.limit(&at, "ms", &under_load, 100.0);
    report.limit("visible during a bulk body: the slowest", "ms", &under_bulk, 1000.0);
    Ok(())
}

/// Runs the closed loop at full speed; returns its requests a second.
async fn load(
    generator: &Generator,
    system: &mut System,
    size: Size,
    [posts, livez, slow, backlog]: [&mut Figure; 4],
) -> anyhow::Result<f64> {
    let nothing = format!("http://{}/livez", system.ingestor.address("admin").await);
    livez.add(
        generator
            .run(
                Ask::Get {
                    url: &nothing,
                    good: "ok",
                },
                LIVEZ_SECONDS,
            )
            .await?
            .rate,
    );
    let url = system.ingestor.url().await;
    let post = Ask::Post {
        url: &url,
        key: KEY,
        day: DAY,
        pause: 0.0,
    };
    let outcome = generator.run(post, size.live_seconds).await?;
    posts.add(outcome.rate);
    slow.add(outcome.slow);
    let ended = Instant::now();
    let accepted = accepted(system).await?;
    system.judged(accepted).await?;
    backlog.add(ended.elapsed().as_secs_f64());
    Ok(outcome.rate)
}

async fn accepted(system: &mut System) -> anyhow::Result<usize> {
    counter(&mut system.ingestor, "ingestor_readings_accepted_total").await
}

/// Checks that every accepted reading is stored, once, with its value, and that `probes` of them are the
/// probes' own.
async fn check(database: &Database, system: &mut System, probes: u64) -> anyhow::Result<()> {
    let accepted = accepted(system).await? - usize::try_from(probes)?;
    let client = connect(&database.url).await?;
    // The value that the load's script computes from a vehicle and a timestamp.
    let sent = "100 + (floor(extract(epoch FROM timestamp - date_trunc('day', timestamp, 'UTC')) * 100)::bigint * 64 + right(device, 2)::int) % 900";
    let row = client
        .query_one(
            &format!("SELECT count(*), count(*) FILTER (WHERE value <> {sent}) FROM readings WHERE device <> 'probe'"),
            &[],
        )
        .await?;
    let (rows, wrong): (i64, i64) = (row.get(0), row.get(1));
    ensure!(
        usize::try_from(rows)? == accepted && wrong == 0,
        "{rows} rows of {accepted} accepted readings, {wrong} of them with another value"
    );
    Ok(())
}

/// Probes while the loop runs at half of its maximum.
async fn visible_under_load(
    servers: &Servers,
    generator: &Generator,
    (database, system): (&Database, &mut System),
    maximum: f64,
    size: Size,
    [figure, share]: [&mut Figure; 2],
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut api = servers.start_api(database).await;
    let probe = Probe::new(&system.ingestor.url().await, &api.url().await)?;
    let url = system.ingestor.url().await;
    let connections = f64::from(u32::try_from(CONNECTIONS)?);
    let post = |day, pause| Ask::Post {
        url: &url,
        key: KEY,
        day,
        pause,
    };
    // Milliseconds per post of a connection at half the rate, minus the time of an answer, which a
    // short run at about that rate measures, on another day. A little above half, since wrk pauses
    // for whole milliseconds only.
    let wanted = 1850.0 * connections / maximum;
    let found = generator.run(post(DAY_BEFORE, wanted), CALIBRATION_SECONDS).await?;
    let pause = (wanted - (1000.0 * connections / found.rate - wanted)).max(0.0);
    let load = generator.run(post(DAY, pause), size.live_seconds.min(20));
    let probing = async {
        let mut times = Vec::new();
        let until = Instant::now() + Duration::from_secs(size.live_seconds.min(20) - 1);
        while Instant::now() < until {
            times.push(probe.visible().await?);
        }
        anyhow::Ok(times)
    };
    let (outcome, times) = tokio::try_join!(load, probing)?;
    let accepted = accepted(system).await?;
    system.judged(accepted).await?;
    check(database, system, u64::try_from(times.len())?).await?;
    figure.add(percentile(times, 0.99));
    share.add(outcome.rate / maximum);
    report.service("api", "visible under load", &api);
    report.service("ingestor", "visible under load", &system.ingestor);
    report.service("persistor", "visible under load", &system.persistor);
    Ok(())
}

/// Probes while one body of all readings is in flight, until its last row is committed.
async fn visible_under_bulk(
    servers: &Servers,
    data: &Data,
    database: &Database,
    system: &mut System,
    figure: &mut Figure,
) -> anyhow::Result<()> {
    let mut api = servers.start_api(database).await;
    let url = system.ingestor.url().await;
    let probe = Probe::new(&url, &api.url().await)?;
    let mut posting = crate::bulk::post(data, &url);
    let bulk = tokio::task::spawn_blocking(move || output(&mut posting));
    let mut times = Vec::new();
    loop {
        times.push(probe.visible().await?);
        let judged = system.judged_now().await?;
        if bulk.is_finished() && judged >= data.readings {
            break;
        }
    }
    crate::bulk::all_accepted(&bulk.await??, data)?;
    figure.add(percentile(times, 1.0));
    Ok(())
}

/// The percentile of times at this share.
pub(crate) fn percentile(mut times: Vec<f64>, share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let at = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
    times.get(at).copied().unwrap_or(f64::NAN)
}

/// A separate vehicle that posts readings and waits until they are visible.
struct Probe {
    http: reqwest::Client,
    ingest: String,
    latest: String,
    sent: std::cell::Cell<u32>,
}

impl Probe {
    fn new(ingestor: &str, api: &str) -> anyhow::Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            ingest: format!("{ingestor}/ingest"),
            latest: format!("{api}/api/statistics/latest?device=probe"),
            sent: std::cell::Cell::new(0),
        })
    }

    /// Milliseconds from before a post until the statistics show it.
    async fn visible(&self) -> anyhow::Result<f64> {
        self.sent.set(self.sent.get() + 1);
        let value = self.sent.get();
        let moment = jiff::Timestamp::from_second(1_715_731_200 + i64::from(value))?;
        let body = format!(r#"{{"sensor":"probe","value":{value},"timestamp":"{moment}","device":"probe"}}"#);
        let shown = format!(r#""device":"probe","value":{value}.0,"#);
        let start = Instant::now();
        let answer = self.http.post(&self.ingest).bearer_auth(KEY).body(body).send().await?;
        ensure!(
            answer.status() == 200,
            "the probe was answered with {}",
            answer.status()
        );
        loop {
            let text = self.http.get(&self.latest).send().await?.text().await?;
            if text.contains(&shown) {
                return Ok(start.elapsed().as_secs_f64() * 1000.0);
            }
            ensure!(
                start.elapsed() < TIMEOUT,
                "a post is not visible after {TIMEOUT:?}: {text}"
            );
            // Questions without a pause would be a load of their own.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
