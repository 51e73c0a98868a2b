//! Reads and sorts the readings that an event bus still has.
//!
//! One task reads the bus, and a thread sorts. While the thread writes its files, the task goes on reading
//! and tells the bus that waiting messages are in work. Otherwise the bus would redeliver all of them.

use super::options::Comparing;
use super::sort::{Sorted, Sorter};
use anyhow::{Context, bail};
use archive::Days;
use event::{Delivery, Event, PROGRESS_INTERVAL, Reader};
use reading::message::Message;
use reading::{rejected, segment};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How often to check whether the history was read to its end.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Bytes of events that wait for the sorter.
const ROOM: usize = 2 * event::MIN_ROOM;

/// Events that wait for the sorter.
const HANDED: usize = 1;

/// Reads the whole history of the bus, with a consumer of its own.
pub(super) async fn read(url: &str, options: &Comparing, days: Days) -> anyhow::Result<Sorted> {
    let mut reader = Reader::history(url, &bus::NAMES, None).await?;
    let memory = usize::try_from(options.sort_memory).unwrap_or(usize::MAX);
    let sorter = Sorter::new(options.scratch_dir.clone(), memory, days);
    let (to_sorter, events) = mpsc::channel(HANDED);
    let sorting = tokio::task::spawn_blocking(move || sort(sorter, events));
    let read = hand_over(&mut reader, to_sorter, options.patience).await;
    // In any case, the bus must hold nothing back for this reader.
    reader.end().await;
    let sorted = sorting.await.context("the sorting thread ended")?;
    let sorter = sorted
        .context("write the stream's readings into temporary files; --scratch-dir names another place for them")?;
    read?;
    tokio::task::spawn_blocking(move || sorter.finish())
        .await
        .context("the sorting thread ended")?
        .context("sort the stream's readings in temporary files")
}

/// Sends all events of the reader to `to`, until `to` is closed. Fails once the bus alone was silent for
/// longer than `patience`.
async fn hand_over(reader: &mut Reader, to: mpsc::Sender<Event>, patience: Duration) -> anyhow::Result<()> {
    let mut unacknowledged = VecDeque::new();
    let mut bytes = 0;
    let mut checks = interval(CHECK_INTERVAL);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut progress = interval(PROGRESS_INTERVAL);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard, mut silence) = (Instant::now(), None);
    loop {
        tokio::select! {
            biased;
            _ = progress.tick(), if !unacknowledged.is_empty() => Delivery::progress_all(unacknowledged.make_contiguous()).await,
            taken = to.reserve(), if !unacknowledged.is_empty() => {
                // The sorter reports why it has ended.
                let Ok(place) = taken else { return Ok(()) };
                if let Some(mut delivery) = unacknowledged.pop_front() {
                    bytes -= delivery.size();
                    place.send(delivery.event.clone());
                    delivery.ack().await;
                }
                heard = Instant::now();
            }
            next = reader.next(ROOM.saturating_sub(bytes)) => match next {
                Ok(delivery) => {
                    bytes += delivery.size();
                    unacknowledged.push_back(delivery);
                    heard = Instant::now();
                }
                Err(error @ event::Error::Unavailable(_)) => {
                    silence = Some(error);
                    sleep(CHECK_INTERVAL).await;
                }
                Err(error) => return Err(error.into()),
            },
            _ = checks.tick() => match reader.backlog().await {
                Ok(0) if unacknowledged.is_empty() => return Ok(()),
                Ok(_) => heard = Instant::now(),
                // Before the first pull, there is no consumer to ask about.
                Err(_) => {}
            },
        }
        if unacknowledged.is_empty() && heard.elapsed() > patience {
            let said = format!("the event bus was silent for {patience:?}; is it running, and is its URL right?");
            match silence {
                Some(error) => return Err(anyhow::Error::from(error).context(said)),
                None => bail!(said),
            }
        }
    }
}

/// Sorts the readings of all events. Blocks.
fn sort(mut sorter: Sorter, mut events: mpsc::Receiver<Event>) -> io::Result<Sorter> {
    let mut foreign = 0_u64;
    while let Some(event) = events.blocking_recv() {
        // Whole or not at all, as the persistor stores it.
        if event.kind == rejected::KIND {
            continue;
        }
        match Message::read(&event.id, &event.payload) {
            Ok(message) if event.kind == segment::KIND => {
                message.each(|_, series| sorter.add(series.device, series.sensor, series.points));
            }
            _ => foreign += 1,
        }
        if sorter.is_full() {
            sorter.spill()?;
        }
    }
    if foreign > 0 {
        tracing::warn!(messages = foreign, "some messages of the stream hold no readings");
    }
    Ok(sorter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Lane, Writer};

    /// After this time, the client discards the messages of a pull.
    const LONG_SORT: Duration = Duration::from_secs(12);

    /// A sorter that takes longer than the bus may be silent: nothing is dropped, and nothing is redelivered.
    #[tokio::test]
    async fn a_long_sort_is_no_silence_of_the_bus() {
        let url = testutil::nats_url("long_sort");
        let writer = Writer::open(&url, &bus::NAMES).await.unwrap();
        let running = writer.clone();
        let (ready, mut wait) = tokio::sync::watch::channel(false);
        let prepared = tokio::spawn(async move { running.run(|now| _ = ready.send_replace(now)).await });
        wait.wait_for(|ready| *ready).await.unwrap();
        for number in 0..20 {
            let event = Event {
                id: number.to_string(),
                kind: "test".into(),
                source: "/test".into(),
                payload: vec![0; 500_000].into(),
            };
            writer.publish(Lane::Bulk, event).await.unwrap();
        }
        prepared.abort();
        let mut reader = Reader::history(&url, &bus::NAMES, None).await.unwrap();
        let (to, mut events) = mpsc::channel::<Event>(HANDED);
        let sorting = tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Some(event) = events.recv().await {
                if taken.is_empty() {
                    // The test is about the time itself.
                    sleep(LONG_SORT).await;
                }
                taken.push(event.id);
            }
            taken
        });
        let handed = hand_over(&mut reader, to, Duration::from_secs(2)).await;
        reader.end().await;
        handed.unwrap();
        let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(sorting.await.unwrap(), expected, "some came again");
    }
}
