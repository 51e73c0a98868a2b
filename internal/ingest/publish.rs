//! Publishes segments of many uploads to the event bus.
//!
//! Storing a message costs the bus about the same with six readings or with thousands. So segments that
//! arrive while others are being published share the next message. An idle bus gets a segment at once. After
//! a message of many segments, the next one waits a moment for the answered clients to send again. So clients
//! that post in turn share a message.

use bytes::Bytes;
use event::{Event, Lane, Writer};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use prometheus_client::metrics::counter::Counter;
use reading::segment::{self, KIND};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Segments that may wait for a message.
const QUEUE: usize = 256;

/// Bytes of segments that wait or are being published, over all uploads of a lane. It bounds the memory while
/// the bus stalls.
const ROOM: u32 = 16 << 20;

/// About how many bytes a message holds, so that a message never waits long for a transaction.
const MESSAGE: usize = 384 * 1024;

/// Messages published at once while more than a message's worth waits.
const FULL_MESSAGES: usize = 8;

/// Messages published at once while less waits: segments that come meanwhile share the next.
const SMALL_MESSAGES: usize = 1;

/// Longest wait of a small message for as many segments as the one before had.
const GATHER_TIMEOUT: Duration = Duration::from_millis(2);

/// Hands segments to the event bus. Cheap to clone; its task ends when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Publisher {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

struct Waiting {
    segment: Bytes,
    readings: u64,
    /// Released when the segment is stored.
    room: OwnedSemaphorePermit,
    stored: oneshot::Sender<Result<(), Unavailable>>,
}

/// The bus did not store it; it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event bus cannot take readings now")]
pub(crate) struct Unavailable;

/// Resolves when a segment is stored.
pub(crate) struct Ticket(oneshot::Receiver<Result<(), Unavailable>>);

impl Ticket {
    /// Waits until the bus has stored the segment.
    ///
    /// # Errors
    /// Where the bus has not stored it.
    pub(crate) async fn stored(self) -> Result<(), Unavailable> {
        self.0.await.unwrap_or(Err(Unavailable))
    }
}

impl Publisher {
    /// Makes a publisher of one lane, and its task, which the caller has to run. `source` names this ingestor
    /// in the events. `stored` counts the readings that the bus has stored, also those of uploads that broke
    /// off.
    pub(crate) fn new(
        writer: Writer,
        lane: Lane,
        source: String,
        stored: Counter,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let room = Arc::new(Semaphore::new(ROOM as usize));
        (
            Self { queue: sender, room },
            work(writer, lane, source, stored, receiver),
        )
    }

    /// Hands over a segment with this many readings; waits while too many segments wait already.
    pub(crate) async fn publish(&self, segment: Bytes, readings: u64) -> Ticket {
        let (stored, ticket) = oneshot::channel();
        let size = u32::try_from(segment.len()).unwrap_or(ROOM).min(ROOM);
        let room = self
            .room
            .clone()
            .acquire_many_owned(size)
            .await
            .expect("the room is never closed");
        // If the task has ended, the ticket says so.
        let _ = self
            .queue
            .send(Waiting {
                segment,
                readings,
                room,
                stored,
            })
            .await;
        Ticket(ticket)
    }
}

async fn work(writer: Writer, lane: Lane, source: String, stored: Counter, mut queue: mpsc::Receiver<Waiting>) {
    let mut under_way = FuturesUnordered::new();
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut bytes = 0;
    let mut open = true;
    // About this many segments are expected by this time.
    let (mut likely, mut until) = (0, Instant::now());
    loop {
        // Segments that wait already share a message.
        while bytes < MESSAGE {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.segment.len();
            waiting.push(next);
        }
        let most = if bytes >= MESSAGE {
            FULL_MESSAGES
        } else {
            SMALL_MESSAGES
        };
        let gathered = bytes >= MESSAGE || waiting.len() >= likely || !open;
        if !waiting.is_empty() && under_way.len() < most && gathered {
            under_way.push(send(
                writer.clone(),
                lane,
                &source,
                stored.clone(),
                std::mem::take(&mut waiting),
            ));
            bytes = 0;
            continue;
        }
        tokio::select! {
            Some(segments) = under_way.next(), if !under_way.is_empty() => {
                (likely, until) = (segments, Instant::now() + GATHER_TIMEOUT);
            }
            () = sleep_until(until), if !gathered => likely = 0,
            next = queue.recv(), if open && bytes < MESSAGE => match next {
                Some(next) => {
                    bytes += next.segment.len();
                    waiting.push(next);
                }
                None => open = false,
            },
            else => return,
        }
    }
}

fn send(
    writer: Writer,
    lane: Lane,
    source: &str,
    stored: Counter,
    waiting: Vec<Waiting>,
) -> impl Future<Output = usize> + Send + use<> {
    let event = Event {
        id: uuid::Uuid::now_v7().to_string(),
        kind: KIND.into(),
        source: source.to_owned(),
        payload: segment::join(waiting.iter().map(|waiting| &waiting.segment)),
    };
    let readings = waiting.iter().map(|waiting| waiting.readings).sum();
    let answers: Vec<_> = waiting
        .into_iter()
        .map(|waiting| (waiting.stored, waiting.room))
        .collect();
    async move {
        let segments = answers.len();
        let result = writer.publish(lane, event).await.map_err(|error| {
            if error.should_log() {
                tracing::warn!(%error, segments = answers.len(), "could not publish readings");
            }
            Unavailable
        });
        if result.is_ok() {
            stored.inc_by(readings);
        }
        for (answer, room) in answers {
            drop(room);
            // An upload that broke off has dropped its ticket.
            let _ = answer.send(result);
        }
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Reader;
    use tokio::task::JoinHandle;

    /// A running publisher, and a reader of its messages.
    async fn start(name: &str) -> (Publisher, Reader, JoinHandle<()>) {
        let url = format!("memory://{name}_{}", std::process::id());
        let writer = Writer::open(&url, &bus::NAMES).await.unwrap();
        let (publisher, work) = Publisher::new(writer, Lane::Live, "/test".into(), Counter::default());
        let reader = Reader::open(&url, &bus::NAMES, Lane::Live).await.unwrap();
        (publisher, reader, tokio::spawn(work))
    }

    #[tokio::test]
    async fn segments_that_wait_together_share_a_message() {
        let (publisher, mut reader, work) = start("publish").await;
        let mut tickets = Vec::new();
        for byte in 0..10 {
            tickets.push(publisher.publish(Bytes::from(vec![byte]), 1).await);
        }
        drop(publisher);
        let (mut messages, mut bytes) = (0, 0);
        while bytes < 10 {
            let mut delivery = reader.next(event::MIN_ROOM).await.unwrap();
            messages += 1;
            bytes += delivery.event.payload.len() - 1;
            delivery.ack().await;
        }
        assert!(
            messages <= 4,
            "{messages} messages for ten segments that were there together"
        );
        for ticket in tickets {
            assert_eq!(ticket.stored().await, Ok(()));
        }
        work.await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_that_gives_up_is_told_to_the_upload() {
        let (publisher, mut reader, work) = start("publish_fail").await;
        let ticket = publisher.publish(Bytes::from_static(b"x"), 1).await;
        drop(reader.next(event::MIN_ROOM).await.unwrap());
        assert_eq!(ticket.stored().await, Err(Unavailable));
        drop(publisher);
        work.await.unwrap();
    }
}
