//! The fault suite for messages: writers, readers and cleaners call two servers that keep messages for a minute.
//! Meanwhile servers and PostgreSQL are killed, stopped and cut off from each other. An acknowledged message must be
//! answered until its time is over, whole and once, and never after it. The disk must follow.
//!
//! A week passes in a minute, so five minutes are a month. The seed decides the calls and the sequence of faults; their
//! exact times depend on the machine. `model` says what must be answered, and `disk` how much may be on the disk.

mod ask;
mod calls;
mod calm;
mod check;
mod clock;
mod disk;
mod event;
mod fault;
mod faults;
mod model;
mod options;
mod reader;
mod report;
mod shared;
mod system;
mod writer;
mod wrong;

pub use options::Options;
pub use report::Report;

use crate::journal::Journal;
use crate::owned::Owned;
use crate::reference::connect;
use crate::system::TWINS;
use anyhow::Context;
use calls::Caller;
use calm::Calm;
use check::Which;
use disk::{Disk, Measure};
use faults::Plan;
use reader::Reader;
use shared::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use system::System;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use writer::Writer;
use wrong::Kind;

/// Writers, and readers.
const WRITERS: u32 = 4;
const READERS: u64 = 4;

/// How long the writers' last calls may take after the last fault.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);

/// A run of this length has many looks at the disk after its first epochs are due.
const LONG: Duration = Duration::from_secs(120);

/// Runs the suite once. Unless the run was good, it leaves the programs' logs and a journal in
/// `target/soak/messages-SEED`.
///
/// # Errors
/// Where the run could not be finished.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let folder = options.folder();
    let journal = Arc::new(Journal::create(&folder, options.aloud)?);
    let report = attempt(options, &journal).await;
    journal.close(report.as_ref().map(Report::wrong), options.keep);
    report.with_context(|| format!("seed {}; see {}", options.seed, folder.display()))
}

async fn attempt(options: &Options, journal: &Arc<Journal>) -> anyhow::Result<Report> {
    journal.note(&format!("{options:?}"));
    let system = Arc::new(System::start(journal.clone()).await?);
    let urls = system.urls();
    let shared = Arc::new(Shared::new(options.seed, WRITERS));
    let database = connect(&system.database_url).await?;
    let measure = Measure::take(&database, options.seed).await;
    let measure = measure.context("measure the bytes of a message")?;
    // It does not outlive the faults.
    drop(database);
    let (calm, disk) = (Arc::<Calm>::default(), Arc::<Disk>::default());
    let mut beside = vec![Owned::spawn(restart_ended(system.clone(), shared.clone()))];
    for number in 0..READERS {
        beside.push(Owned::spawn(Reader::new(number, &urls, &shared)?.run()));
    }
    for server in 0..TWINS {
        let caller = Caller::new(&urls, 5_000 + server as u64, &shared)?;
        beside.push(Owned::spawn(reader::clean(caller, server, shared.clone())));
    }
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(Writer::new(number, &urls, &shared)?.run());
    }
    beside.push(Owned::spawn(disk::watch(
        shared.clone(),
        calm.clone(),
        disk.clone(),
        journal.clone(),
        system.database_url.clone(),
        measure,
    )));
    let begin = Instant::now();
    let plan = Plan {
        seed: options.seed,
        duration: options.duration,
        faults: options.faults,
    };
    let faults = plan.run(system.clone(), shared.clone(), calm).await;
    let faults = faults.with_context(|| format!("wrong until then: {:?}", shared.wrong.texts()))?;
    let (seconds, over) = (begin.elapsed(), Instant::now());
    journal.note("all faults are over");
    shared.written.store(true, Ordering::Relaxed);
    let answered = async {
        while let Some(ended) = writers.join_next().await {
            ended.context("a writer failed")?;
        }
        Ok::<_, anyhow::Error>(())
    };
    timeout(SETTLE_TIMEOUT, answered).await.with_context(|| {
        format!("{SETTLE_TIMEOUT:?} after the last fault, not every call of the writers is answered")
    })??;
    let (settled, last) = (over.elapsed(), Instant::now());
    journal.note("every call of the writers is answered");
    let database = connect(&system.database_url).await?;
    check::sweep(Which::Young, &urls, &shared).await?;
    let rows = check::rows(&database, &shared).await?;
    let gone = check::gone(&database, &shared, last).await?;
    journal.note("no message is on the disk any more");
    check::sweep(Which::All, &urls, &shared).await?;
    drop(beside);
    for text in system.stop().await? {
        shared.wrong.add(Kind::Program, text);
    }
    // A run that has shown nothing is not a good one.
    let shown = |count: &AtomicU64| count.load(Ordering::Relaxed) > 0;
    if !shown(&shared.counts.had) || !shown(&shared.counts.had_not) {
        let text = "no answer had to hold a message, or none must not".to_owned();
        shared.wrong.add(Kind::Answer, text);
    }
    if options.duration >= LONG && !shown(&disk.judged) {
        let text = "the size on the disk was never compared".to_owned();
        shared.wrong.add(Kind::Disk, text);
    }
    Ok(Report {
        seed: options.seed,
        seconds,
        faults,
        disk,
        measure,
        settled,
        rows,
        gone,
        wrong: shared.wrong.texts(),
        shared,
    })
}

/// Restarts processes that have ended by themselves, for ever.
async fn restart_ended(system: Arc<System>, shared: Arc<Shared>) {
    loop {
        match system.restart_ended().await {
            Ok(found) => {
                for text in found {
                    shared.wrong.add(Kind::Program, text);
                }
            }
            Err(error) => {
                let text = format!("what had ended could not be started: {error:#}");
                shared.wrong.add(Kind::Program, text);
            }
        }
        sleep(Duration::from_millis(250)).await;
    }
}
