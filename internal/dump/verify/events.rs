//! The readings that an event bus still keeps, put in order.

use super::Comparing;
use super::sort::{Sorted, Sorter};
use crate::dump::Days;
use crate::reading::message::Message;
use crate::reading::segment;
use anyhow::{Context, bail};
use event::Reader;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often to look whether that is all.
const LOOK: Duration = Duration::from_millis(100);

/// Reads all that the bus has kept until there is no more, by a consumer of its own.
pub(super) async fn read(url: &str, options: &Comparing, days: Days) -> anyhow::Result<Sorted> {
    let mut reader = Reader::history(url, None).await?;
    let read = read_all(&mut reader, options, days).await;
    // However it went, nothing is held back for it any more.
    reader.end().await;
    let sorter = read?;
    tokio::task::spawn_blocking(move || sorter.finish())
        .await
        .context("the sorting thread ended")?
        .context("sort the stream's readings in temporary files")
}

async fn read_all(reader: &mut Reader, options: &Comparing, days: Days) -> anyhow::Result<Sorter> {
    let memory = usize::try_from(options.sort_memory).unwrap_or(usize::MAX);
    let mut sorter = Sorter::new(options.scratch_dir.clone(), memory, days);
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard, mut foreign) = (Instant::now(), 0_u64);
    loop {
        tokio::select! {
            biased;
            next = reader.next(2 * event::MIN_ROOM) => match next {
                Ok(mut delivery) => {
                    heard = Instant::now();
                    let (kind, payload) = (&delivery.event.kind, &delivery.event.payload);
                    // Whole or not at all, as the persistor takes it.
                    match Message::read(&delivery.event.id, payload) {
                        Ok(message) if kind == segment::KIND => {
                            message.each(|_, series| sorter.add(series.device, series.sensor, series.points));
                        }
                        _ => foreign += 1,
                    }
                    delivery.ack().await;
                    if sorter.is_full() {
                        sorter = spill(sorter).await?;
                    }
                }
                Err(event::Error::Unavailable(_)) => tokio::time::sleep(LOOK).await,
                Err(error) => return Err(error.into()),
            },
            _ = look.tick() => match reader.backlog().await {
                Ok(0) => break,
                Ok(_) => heard = Instant::now(),
                // Before the first pull there is no consumer that could be asked for.
                Err(_) => {}
            },
        }
        if heard.elapsed() > options.patience {
            bail!(
                "the event bus has said nothing for {:?}; is it running, and is its URL right?",
                options.patience
            );
        }
    }
    if foreign > 0 {
        tracing::warn!(
            messages = foreign,
            "messages of the stream hold nothing that is read as readings"
        );
    }
    Ok(sorter)
}

async fn spill(mut sorter: Sorter) -> anyhow::Result<Sorter> {
    let spilling = tokio::task::spawn_blocking(move || sorter.spill().map(|()| sorter));
    spilling
        .await
        .context("the sorting thread ended")?
        .context("write the stream's readings into temporary files; --scratch-dir names another place for them")
}
