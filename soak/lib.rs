//! The fault suite: clients send distinct readings and retry as a device would. Meanwhile, processes are
//! killed, stopped and cut off from each other, the stream and the disk fill up, and consumers vanish.
//! Afterwards, the database must hold every acknowledged reading, once, with its value, and no reading
//! that no client sent. Every event that subscriptions make of these readings must have reached its endpoint.
//!
//! ```no_run
//! # async fn run() -> anyhow::Result<()> {
//! let report = soak::run(&soak::Options::short(4)).await?;
//! assert!(report.wrong().is_empty(), "{:?}", report.wrong());
//! # Ok(())
//! # }
//! ```
//!
//! The seed decides the load and the sequence of faults; their exact times depend on the machine. `messages` is a suite
//! of its own.
//!
//! Deliberately not here: knowledge of our code, except the client of messages.

mod body;
mod chance;
mod check;
mod dead;
mod doer;
mod events;
mod fault;
mod faults;
mod flood;
mod journal;
mod load;
pub mod messages;
mod options;
mod owned;
mod proxy;
mod quota;
mod reference;
mod report;
mod schedule;
mod stream;
mod system;
mod warning;
mod watch;

pub use options::Options;
pub use report::Report;

use anyhow::{Context, ensure};
use check::check;
use events::Watching;
use faults::Plan;
use flood::Flood;
use journal::Journal;
use load::Load;
use owned::Owned;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stream::Operator;
use system::System;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How long clients and persistors may take to finish after the last fault; and in the short form.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(300);
const SETTLE_TIMEOUT_SHORT: Duration = Duration::from_secs(120);

/// How long the check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1800);

/// Runs the suite once. Unless the run was good, it leaves the programs' logs and a journal in
/// `target/soak/SEED`.
///
/// # Errors
/// Where the run could not be finished.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    // Another run of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = options.folder();
    let journal = Arc::new(Journal::create(&folder, options.aloud)?);
    let report = attempt(options, &journal).await;
    journal.close(report.as_ref().map(Report::wrong), options.keep);
    report.with_context(|| format!("seed {}; see {}", options.seed, folder.display()))
}

async fn attempt(options: &Options, journal: &Arc<Journal>) -> anyhow::Result<Report> {
    journal.note(&format!("{options:?}"));
    let system = Arc::new(System::start(options, journal.clone()).await?);
    let operator = Arc::new(Operator::connect(&system).await?);
    let http = reqwest::Client::new();
    let seen = Arc::<watch::Seen>::default();
    let _beside = [
        Owned::spawn(watch::restart_ended(system.clone(), seen.clone())),
        Owned::spawn(watch::look(system.clone(), http.clone(), seen.clone())),
    ];
    let urls = system
        .proxies
        .ingestors
        .iter()
        .map(|proxy| format!("http://{}/ingest", proxy.address()));
    let urls: Vec<String> = urls.collect();
    let notifiers = system.proxies.notifiers.iter();
    let notifiers: Vec<String> = notifiers.map(|proxy| format!("http://{}", proxy.address())).collect();
    let watching = Watching::start(options.seed, &notifiers, &http).await?;
    let load = Arc::new(Load::new(options, options.seed, urls.clone()));
    let mut clients = load.start()?;
    let flood = Arc::new(Flood::new());
    let (flooding, seed) = (flood.clone(), options.seed);
    clients.spawn(async move { flooding.run(seed, &urls).await });
    let begin = Instant::now();
    let plan = Plan {
        seed: options.seed,
        duration: options.duration,
        faults: options.faults,
        short: options.short,
    };
    let faults = plan.run(system.clone(), load.clone(), operator.clone()).await?;
    let (seconds, ended) = (begin.elapsed(), Instant::now());
    journal.note("all faults have ended");
    load.stop();
    flood.stop();
    let patience = if options.short {
        SETTLE_TIMEOUT_SHORT
    } else {
        SETTLE_TIMEOUT
    };
    settle(&mut clients, &load, &operator, patience).await?;
    let settled = ended.elapsed();
    let database = reference::connect(&system.database_url).await?;
    let events = watching.finish(&database, patience).await?;
    journal.note("nothing waits any more");
    let checked = timeout(CHECK_TIMEOUT, check(&system, &load, options.seed, &http))
        .await
        .context("the check took too long")??;
    let mut wrong = load.complaints();
    wrong.extend(checked.wrong.iter().cloned());
    wrong.extend(seen.wrong());
    wrong.extend(flood.complaints(&checked.flooded));
    wrong.extend(events.checked.wrong.iter().cloned());
    drop(_beside);
    system.stop().await;
    wrong.extend(system.complaints().await?);
    let done = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    Ok(Report {
        seed: options.seed,
        seconds,
        settled,
        clients: options.clients,
        faults,
        posts: done(&load.done.posts),
        bodies: done(&load.done.bodies),
        again: done(&load.done.again),
        cut: done(&load.done.cut),
        readings: done(&load.done.readings),
        retries: done(&load.done.retries),
        refused: done(&load.done.refused),
        deferred: done(&flood.deferred),
        looks: done(&seen.looks),
        events,
        checked,
        wrong,
    })
}

/// Waits until all bodies are acknowledged and the persistors have stored their readings.
async fn settle(clients: &mut JoinSet<()>, load: &Load, operator: &Operator, patience: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + patience;
    let acknowledged = async {
        while let Some(ended) = clients.join_next().await {
            ended.context("a client failed")?;
        }
        Ok::<_, anyhow::Error>(())
    };
    timeout(patience, acknowledged).await.with_context(|| {
        let (bodies, complaints) = (load.bodies(), load.complaints());
        format!(
            "{patience:?} after the last fault, not everything is acknowledged: {bodies:?} bodies are; {complaints:?}"
        )
    })??;
    loop {
        let waiting = operator.backlog().await;
        if matches!(waiting, Ok(0)) {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "{patience:?} after the last fault, messages still wait: {waiting:?}"
        );
        sleep(Duration::from_millis(200)).await;
    }
}
