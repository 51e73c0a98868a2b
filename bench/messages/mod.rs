//! `messages` beside psql, pgbench and Redis, over a store that is full of other messages.

mod events;
mod gone;
mod redis;
mod server;

use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Database, Servers, connect, output};
use anyhow::{Context, ensure};
use events::{Copy, event, id};
use futures_util::future::try_join_all;
use server::{Server, load, start};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Messages in a batch.
const BATCH: usize = 1_000;

/// Batches in a run, four at once.
const BATCHES: usize = 40;

/// Single messages at once, and in a run.
const AT_ONCE: usize = 64;
const SINGLES: usize = 10_000;

/// Ids in a get, and gets in a run, eight at once.
const IDS: usize = 100;
const GETS: usize = 400;

/// What pgbench asks: as the store does.
const GET: &str =
    "SELECT event FROM unnest(ARRAY(SELECT 'old-' || (random() * (:stored - 1))::int FROM generate_series(1, 100)))
    WITH ORDINALITY AS wanted (id, ordinality),
    LATERAL (SELECT epoch, source, received, event FROM message WHERE message.id = wanted.id OFFSET 0) AS found
    JOIN epoch ON number = found.epoch WHERE received + retention > clock_timestamp() ORDER BY ordinality, source;";

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let database = servers.database().await?;
    let process = start(&database).await;
    fill(&database, size.messages).await?;
    puts(&database, &process, size, report).await?;
    gets(&database, &process, size, report).await?;
    report.service("messages", "batches, singles and gets", &process.process);
    let mut memory = Figure::default();
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    memory.add(process.process.peak_memory() as f64 / f64::from(1 << 20));
    report.limit("memory of messages, after all of these", "MiB", &memory, 64.0);
    gone::measure(&database, &process, size, report).await?;
    drop(process);
    servers.forget(&database).await
}

/// Fills eight epochs with messages, and leaves a ninth open.
async fn fill(database: &Database, stored: usize) -> anyhow::Result<()> {
    let client = connect(&database.url).await?;
    for epoch in 2..=9 {
        let next = epoch + 1;
        let make = format!("SELECT make_partition('message', 'message_{epoch}', '{epoch}', '{next}')");
        client.batch_execute(&make).await?;
    }
    client
        .batch_execute(
            "UPDATE epoch SET opened = now() - interval '167 hours', closed = now() - interval '166 hours';
             INSERT INTO epoch SELECT number, now() - interval '2 hours', CASE WHEN number < 9 THEN now() - interval '1 hour' END,
                 interval '168 hours' FROM generate_series(2, 9) AS number",
        )
        .await?;
    let each = stored / 8;
    for epoch in 1..=8_usize {
        let rows =
            (each * (epoch - 1)..each * epoch).map(|number| (format!("old-{number}"), event(&format!("old-{number}"))));
        let copy = Copy::write(i32::try_from(epoch)?, rows)?;
        load(database, &copy)?;
    }
    client.batch_execute("VACUUM ANALYZE message, epoch").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

async fn puts(database: &Database, server: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let [mut batches, mut copies, mut singles, mut piped, mut redis_singles] =
        std::array::from_fn(|_| Figure::default());
    for run in 0..size.runs {
        batches.add_rate(BATCH * BATCHES, put_batches(server, run).await?);
        let rows = (0..BATCH * BATCHES).map(|number| {
            let id = id("copy", run, number);
            let event = event(&id);
            (id, event)
        });
        let copy = Copy::write(9, rows)?;
        copies.add_rate(BATCH * BATCHES, load(database, &copy)?);
        singles.add_rate(SINGLES, put_singles(server, run).await?);
        if let Some((fast, slow)) = redis::rates(BATCH * BATCHES, BATCH, SINGLES, AT_ONCE).await? {
            piped.add(fast);
            redis_singles.add(slow);
        }
    }
    let name = format!("messages: batches of {BATCH} beside {} stored", size.messages);
    report.ratio(
        &name,
        "messages/s",
        &batches,
        "psql COPY, binary, into the same table",
        &copies,
        0.2,
    );
    if piped.is_empty() {
        report.note(&crate::peers::absent("Redis"));
    } else {
        let rival = format!("Redis SET EX, {BATCH} in a pipeline, appendfsync always");
        report.ratio(
            &format!("{name}, beside Redis"),
            "messages/s",
            &batches,
            &rival,
            &piped,
            0.1,
        );
        let rival = format!("Redis SET EX, {AT_ONCE} at once, appendfsync always");
        report.ratio(
            "messages: one at a time, 64 at once",
            "messages/s",
            &singles,
            &rival,
            &redis_singles,
            0.25,
        );
    }
    Ok(())
}

async fn put_batches(server: &Server, run: usize) -> anyhow::Result<Duration> {
    let all: Vec<Vec<_>> = (0..BATCHES)
        .map(|batch| {
            (0..BATCH)
                .map(|number| event(&id("batch", run, batch * BATCH + number)).into())
                .collect()
        })
        .collect();
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let putting = (0..4).map(|_| {
        let (client, next, all) = (server.client(), next.clone(), &all);
        async move {
            let mut client = client?;
            while let Some(batch) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let count = client.put(batch.clone()).await?;
                ensure!(count as usize == batch.len(), "{count} of a batch are stored");
            }
            Ok(())
        }
    });
    try_join_all(putting).await?;
    Ok(begin.elapsed())
}

async fn put_singles(server: &Server, run: usize) -> anyhow::Result<Duration> {
    let next = Arc::new(AtomicUsize::new(0));
    let client = server.client()?;
    let begin = Instant::now();
    let putting = (0..AT_ONCE).map(|_| {
        let (mut client, next) = (client.clone(), next.clone());
        async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= SINGLES {
                    return Ok::<_, anyhow::Error>(());
                }
                client.put(vec![event(&id("single", run, number)).into()]).await?;
            }
        }
    });
    try_join_all(putting).await?;
    Ok(begin.elapsed())
}

async fn gets(database: &Database, server: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut pgbench) = (Figure::default(), Figure::default());
    let script = tempfile::NamedTempFile::new()?;
    std::fs::write(script.path(), format!("\\set stored {}\n{GET}\n", size.messages))?;
    for _ in 0..size.runs {
        let next = Arc::new(AtomicUsize::new(0));
        let client = server.client()?;
        let begin = Instant::now();
        let getting = (0..8).map(|_| {
            let (mut client, next) = (client.clone(), next.clone());
            async move {
                while next.fetch_add(1, Ordering::Relaxed) < GETS {
                    let ids = (0..IDS).map(|_| format!("old-{}", fastrand::usize(..size.messages)));
                    let found = client.get(ids.collect()).await?;
                    // Few ids come twice.
                    ensure!(found.len() > IDS * 9 / 10, "{} messages were found", found.len());
                }
                Ok(())
            }
        });
        try_join_all(getting).await?;
        ours.add_rate(GETS, begin.elapsed());
        let mut command = Command::new("pgbench");
        command.args([
            "-n",
            "-M",
            "prepared",
            "-c",
            "8",
            "-j",
            "2",
            "-t",
            &(GETS / 8).to_string(),
            "-f",
        ]);
        // As the store has it: compiling the statement would take far longer than the statement.
        let planner = "-c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
            -c jit=off -c max_parallel_workers_per_gather=0";
        let said = output(command.arg(script.path()).arg(&database.url).env("PGOPTIONS", planner))?;
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        pgbench.add(rate.with_context(|| format!("pgbench said no rate: {said}"))?);
    }
    report.ratio(
        &format!("messages: {IDS} random ids of {}", size.messages),
        "gets/s",
        &ours,
        "pgbench, the same statement on the same tables",
        &pgbench,
        0.5,
    );
    Ok(())
}
