//! Consuming: pulls are bounded by bytes and by count, so that the client buffers no more than it asked
//! for.

use super::consumer::{HISTORY, Wanted, config, is_history, of_lane};
use super::{REDRIVEN, TIMEOUT, away, connect, connected, event, foreign, header, setup, spare};
use crate::address::Nats;
use crate::moment::for_a_moment;
use crate::{Error, Event, Lane, Names};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{AckKind, Context, Message};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use std::time::Duration;
use tokio::time::timeout;

/// Messages per pull, at the most.
const PULL_MESSAGES: usize = 512;

/// How long the server keeps a pull that it has no messages for. Short, because the client notices only by
/// this time that a pull was lost with its connection.
const PULL_EXPIRES: Duration = Duration::from_secs(5);

pub(crate) struct Reader {
    context: Context,
    address: Nats,
    wanted: Config,
    /// Shared by its clones. Keeps the bus prepared while it runs.
    writer: super::Writer,
    consumer: Option<PullConsumer>,
    /// There was a consumer. A new one would not know what was acknowledged.
    begun: bool,
    /// Sequence of the last message when reading a history began; later ones are not part of it. `None` for
    /// a lane.
    last: Option<u64>,
    /// Up to which sequence each lane was acknowledged when reading a history began.
    floors: Vec<(Lane, u64)>,
    starting: Option<BoxFuture<'static, Result<Started, Error>>>,
    pull: Option<Batch>,
    /// The present pull has brought a message.
    brought: bool,
    /// A pull has brought a message, or has ended without one.
    answered: bool,
    /// The next message is larger than the caller's room, and is pulled alone.
    oversized: bool,
}

/// A pull and its consumer.
struct Started {
    consumer: PullConsumer,
    pull: Batch,
    /// The stream's last sequence when the consumer was looked up; `None` where it was known already.
    last: Option<u64>,
    /// Up to which sequence each lane is acknowledged, where reading a history begins.
    floors: Vec<(Lane, u64)>,
}

/// A message that was taken from the stream.
pub(crate) struct Taken {
    pub(crate) event: Event,
    pub(crate) lane: Option<Lane>,
    pub(crate) is_acknowledged: bool,
    pub(crate) receipt: Receipt,
}

impl Reader {
    pub(crate) async fn open(address: Nats, wanted: Wanted) -> Result<Self, Error> {
        let context = connect(&address).await?;
        let wanted = config(&address, wanted, &context)?;
        Ok(Self {
            writer: super::Writer::of_reader(context.clone(), address.clone()),
            context,
            address,
            wanted,
            consumer: None,
            begun: false,
            last: None,
            floors: Vec::new(),
            starting: None,
            pull: None,
            brought: false,
            answered: false,
            oversized: false,
        })
    }

    pub(crate) fn writer(&self) -> super::Writer {
        self.writer.clone()
    }

    pub(crate) fn dead_letters(&self) -> super::DeadLetters {
        super::DeadLetters::new(self.context.clone(), self.address.clone())
    }

    pub(crate) fn trimmer(&self) -> super::HistoryTrimmer {
        super::HistoryTrimmer::new(self.context.clone(), self.address.clone())
    }

    pub(crate) async fn backlog(&mut self) -> Result<u64, Error> {
        if !connected(&self.context) {
            return Err(away(&self.address));
        }
        let asking = async {
            let stream = self.context.get_stream_no_info(self.address.stream()).await;
            let name = self.wanted.durable_name.as_deref().unwrap_or_default();
            let info = stream.map_err(setup::unavailable)?.consumer_info(name).await;
            info.map_err(setup::unavailable)
        };
        // The client bounds the wait for an answer, not the wait for room in its queue.
        let info = timeout(TIMEOUT, asking).await.map_err(setup::unavailable)??;
        if self.last.is_some_and(|last| info.ack_floor.stream_sequence >= last) {
            return Ok(0);
        }
        let left = info.num_pending + info.num_ack_pending as u64;
        if is_history(&self.wanted) && !self.answered {
            // In a cluster, a new consumer of a history first reports no pending messages.
            return Ok(left.max(1));
        }
        Ok(left)
    }

    /// Best effort: the server deletes the consumer after a while on its own.
    pub(crate) async fn end(&mut self) {
        let name = self.wanted.durable_name.as_deref().unwrap_or_default();
        if !name.starts_with(HISTORY) || !self.begun || !connected(&self.context) {
            return;
        }
        let deleting = async {
            let stream = self.context.get_stream_no_info(self.address.stream()).await;
            let deleted = stream.map_err(setup::unavailable)?.delete_consumer(name).await;
            deleted.map_err(setup::unavailable)
        };
        let deleted = timeout(TIMEOUT, deleting).await.map_err(setup::unavailable);
        if let Err(error) = deleted.flatten() {
            tracing::debug!(%error, "could not delete the history's consumer; the server will");
        }
    }

    pub(crate) fn taken(&mut self) -> Vec<Taken> {
        let mut taken = Vec::new();
        if let Some(mut pull) = self.pull.take() {
            while let Some(Some(Ok(message))) = pull.next().now_or_never() {
                taken.push(take(&self.context, self.address.names, message));
            }
        }
        taken
    }

    /// Cancel-safe: `self` keeps the pull between calls. The messages of a dropped pull would come again
    /// only after `ack_wait`.
    pub(crate) async fn next(&mut self, room: usize) -> Result<Taken, Error> {
        loop {
            if let Some(pull) = &mut self.pull {
                match pull.next().await {
                    Some(Ok(message)) => {
                        self.brought = true;
                        self.answered = true;
                        let number = sequence(&message);
                        let is_later = self.last.is_some_and(|last| number > last);
                        let mut taken = take(&self.context, self.address.names, message);
                        let floor = self.floors.iter().find(|(lane, _)| Some(*lane) == taken.lane);
                        taken.is_acknowledged = floor.is_some_and(|(_, floor)| number <= *floor);
                        if !is_later {
                            return Ok(taken);
                        }
                        // Unacknowledged, it would take the place of a message that has to come again.
                        for_a_moment(taken.receipt.ack()).await;
                    }
                    // The next message exceeds the pull's bytes: pull anew.
                    Some(Err(error)) if error.to_string().contains("MaxBytes") => {
                        self.oversized = !self.brought;
                        self.pull = None;
                    }
                    Some(Err(error)) => {
                        self.pull = None;
                        // The consumer may have been deleted: look for it, make it if need be.
                        self.consumer = None;
                        return Err(setup::unavailable(error));
                    }
                    None => {
                        self.answered = true;
                        self.pull = None;
                    }
                }
                continue;
            }
            if room < crate::MIN_ROOM && self.starting.is_none() {
                // Room comes with the next call.
                return std::future::pending().await;
            }
            if !connected(&self.context) {
                self.starting = None;
                return Err(away(&self.address));
            }
            // No bound on bytes for a message that no pull could bring otherwise.
            let (messages, bytes) = if self.oversized { (1, 0) } else { (PULL_MESSAGES, room) };
            let starting = self.starting.get_or_insert_with(|| {
                let (context, address) = (self.context.clone(), self.address.clone());
                let (wanted, begun) = (self.wanted.clone(), self.begun);
                start_pull(context, address, wanted, self.consumer.take(), begun, messages, bytes).boxed()
            });
            let started = starting.await;
            self.starting = None;
            (self.brought, self.oversized) = (false, false);
            let started = started?;
            if !self.begun && is_history(&self.wanted) {
                (self.last, self.floors) = (started.last, started.floors);
            }
            (self.consumer, self.begun) = (Some(started.consumer), true);
            self.pull = Some(started.pull);
        }
    }
}

/// The message's sequence in the stream; 0 for a message that is not of a stream.
fn sequence(message: &Message) -> u64 {
    message.info().map(|info| info.stream_sequence).unwrap_or_default()
}

/// The id of a message without one: the same each time it is read.
fn place(message: &Message) -> String {
    let told = message.info();
    let told = told.map(|info| {
        format!(
            "{}:{}:{}",
            info.stream,
            info.stream_sequence,
            info.published.unix_timestamp_nanos()
        )
    });
    told.unwrap_or_default()
}

fn take(context: &Context, names: &'static Names, message: Message) -> Taken {
    let event = event(message.headers.as_ref(), &message.payload, || place(&message));
    let (message, acker) = message.split();
    Taken {
        event,
        lane: message.subject.rsplit('.').next().and_then(Lane::named),
        is_acknowledged: false,
        receipt: Receipt {
            context: context.clone(),
            names,
            acker: Some(acker),
            headers: message.headers,
        },
    }
}

async fn start_pull(
    context: Context,
    address: Nats,
    wanted: Config,
    consumer: Option<PullConsumer>,
    begun: bool,
    messages: usize,
    bytes: usize,
) -> Result<Started, Error> {
    let mut floors = Vec::new();
    let (consumer, last) = match consumer {
        Some(consumer) => (consumer, None),
        None => {
            let is_history = is_history(&wanted);
            // A lane's reader makes a missing stream; a history's reader does not.
            let stream = if is_history {
                setup::existing(&context, &address).await?
            } else {
                setup::streams(&context, &address).await?
            };
            if is_history && begun {
                setup::remembered(&stream, &wanted).await?;
            } else if is_history {
                spare::must_be_empty(&context, &address, stream.cached_info()).await?;
                // Before the consumer: what is acknowledged from now on may count as not acknowledged.
                floors = acknowledged(&stream, &address).await?;
            }
            let last = stream.cached_info().state.last_sequence;
            (setup::consumer(&stream, wanted).await?, Some(last))
        }
    };
    let pull = consumer
        .batch()
        .max_messages(messages)
        .max_bytes(bytes)
        .expires(PULL_EXPIRES)
        .messages()
        .await
        .map_err(setup::unavailable)?;
    Ok(Started {
        consumer,
        pull,
        last,
        floors,
    })
}

/// Up to which sequence each lane is acknowledged; without those that no reader has begun.
async fn acknowledged(stream: &Stream, address: &Nats) -> Result<Vec<(Lane, u64)>, Error> {
    let mut floors = Vec::new();
    for lane in Lane::ALL {
        let wanted = of_lane(address, lane);
        let name = wanted.durable_name.as_deref().unwrap_or_default();
        match stream.consumer_info(name).await {
            Ok(info) => floors.push((lane, info.ack_floor.stream_sequence)),
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {}
            Err(error) => return Err(setup::unavailable(error)),
        }
    }
    Ok(floors)
}

pub(crate) struct Receipt {
    context: Context,
    names: &'static Names,
    acker: Option<Acker>,
    headers: Option<HeaderMap>,
}

impl Receipt {
    pub(crate) fn mark(&self) -> String {
        header(self.headers.as_ref(), &self.names.header(REDRIVEN))
    }

    pub(crate) fn foreign(&self) -> Vec<(String, String)> {
        foreign(self.headers.as_ref(), self.names)
    }

    pub(crate) async fn ack(&mut self) {
        self.send(AckKind::Ack).await;
        self.acker = None;
    }

    pub(crate) async fn progress(&self) {
        self.send(AckKind::Progress).await;
    }

    pub(crate) async fn release(&self) {
        self.send(AckKind::Nak(None)).await;
    }

    /// Best effort: redelivery makes up for a lost acknowledgement. Waits while the client's queue is full.
    /// Sends nothing without a connection: a queued acknowledgement could later reach another message, of
    /// a stream that was made anew.
    async fn send(&self, kind: AckKind) {
        let Some(acker) = self.acker.as_ref().filter(|_| connected(&self.context)) else {
            return;
        };
        if let Err(error) = acker.ack_with(kind).await {
            tracing::debug!(%error, "acknowledgement not sent");
        }
    }
}
