//! The checks after the faults: every message that must be there is, once and whole; and when its time is over, none is,
//! neither in an answer nor on the disk.

use super::ask::ask;
use super::calls::Caller;
use super::clock::now;
use super::disk::held;
use super::event::Name;
use super::shared::Shared;
use super::wrong::Kind;
use anyhow::{Context, ensure};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

/// Messages in a question.
const IDS: usize = 100;

/// How long a question may stay without an answer, now that no fault is under way.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long messages may stay on the disk after the last put: the retention, a seventh of it, and some time for the
/// servers.
const GONE_WITHIN: Duration = Duration::from_secs(60 + 60 / 7 + 20);

/// Bytes of epochs without messages, at the most.
const EMPTY: i64 = 1 << 20;

/// Which messages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those whose names are younger than a retention.
    Young,
    All,
}

impl Which {
    /// The names of a writer.
    fn of(self, shared: &Shared, writer: u32) -> Vec<Name> {
        let (all, old) = shared.model.extent(writer, now());
        let first = if self == Self::Young { old } else { 0 };
        let numbers = (first..all).filter_map(|number| u32::try_from(number).ok());
        numbers.map(|number| Name { writer, number }).collect()
    }
}

/// Asks the servers in turn for messages, each once.
pub(super) async fn sweep(which: Which, urls: &[String], shared: &Arc<Shared>) -> anyhow::Result<()> {
    let mut caller = Caller::new(urls, 9_000, shared)?;
    for writer in 0..shared.model.writers() {
        for (turn, names) in which.of(shared, writer).chunks(IDS).enumerate() {
            let end = Instant::now() + PATIENCE;
            let server = turn % urls.len();
            while !ask(&mut caller, server, shared, names).await {
                ensure!(
                    Instant::now() < end,
                    "server {server} does not answer {PATIENCE:?} after the last fault"
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    Ok(())
}

/// Compares the rows of the view `messages` with the model. Returns how many there are.
pub(super) async fn rows(client: &Client, shared: &Shared) -> anyhow::Result<usize> {
    let (model, wrong) = (&shared.model, &shared.wrong);
    let sent = now();
    let select = "SELECT id, source, event FROM messages";
    let rows = client.query(select, &[]).await.context("read all messages")?;
    let answered = now();
    let mut seen = HashSet::with_capacity(rows.len());
    for row in &rows {
        let (id, source, event): (&str, &str, &[u8]) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let known = Name::of(model.seed(), id).and_then(|name| Some((name, model.record(name)?)));
        let Some((name, record)) = known else {
            wrong.add(Kind::Other, format!("no writer has put {id} of {source}"));
            continue;
        };
        if !seen.insert(name) {
            wrong.add(Kind::Twice, format!("{id} of {source} is stored twice"));
        }
        if let Err((kind, text)) = model.judge(name, &record, (sent, answered), Some(event)) {
            wrong.add(kind, format!("by SQL: {text}"));
        }
    }
    for writer in 0..model.writers() {
        for name in Which::All.of(shared, writer) {
            if !seen.contains(&name)
                && let Some(record) = model.record(name)
                && let Err((kind, text)) = model.judge(name, &record, (sent, answered), None)
            {
                wrong.add(kind, format!("by SQL: {text}"));
            }
        }
    }
    Ok(rows.len())
}

/// Waits until no message is on the disk any more. `last` is when no more was put. Returns the time since then.
pub(super) async fn gone(client: &Client, shared: &Shared, last: Instant) -> anyhow::Result<Duration> {
    loop {
        let (messages, bytes) = held(client).await?;
        let took = last.elapsed();
        if messages == 0 && bytes < EMPTY {
            return Ok(took);
        }
        if took > GONE_WITHIN {
            let text = format!("{took:?} after the last put, {messages} messages and {bytes} bytes are on the disk");
            shared.wrong.add(Kind::Disk, text);
            return Ok(took);
        }
        sleep(Duration::from_millis(500)).await;
    }
}
