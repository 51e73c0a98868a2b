//! Consuming: pulls bounded by bytes as well as by count, so that nothing is held that was not
//! asked for.

use super::{connect, connected, event, setup};
use crate::address::Nats;
use crate::{Delivery, Error, Lane};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Context};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use std::time::Duration;

/// Messages asked for at once, at the most.
const PULL_MESSAGES: usize = 512;

/// How long the server keeps a pull that it has nothing for. Short, because a pull that was lost
/// with a connection is only noticed by its end.
const PULL_EXPIRES: Duration = Duration::from_secs(5);

/// How long the server remembers what somebody who reads the history has acknowledged, once
/// nobody asks any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// How the consumers of those who read the history begin.
pub(super) const HISTORY: &str = "history_";

/// What a reader is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// To share the lane's events with others.
    Lane(Lane),
    /// To read everything that is kept, or all since this moment (microseconds since 1970).
    History(Option<i64>),
}

pub(crate) struct Reader {
    context: Context,
    address: Nats,
    wanted: Config,
    /// The one that all who bury share: it works once somebody runs it.
    writer: super::Writer,
    consumer: Option<PullConsumer>,
    /// There was a consumer: one that is made anew has forgotten what was acknowledged.
    begun: bool,
    starting: Option<BoxFuture<'static, Result<(PullConsumer, Batch), Error>>>,
    pull: Option<Batch>,
    /// Whether the present pull has brought anything.
    brought: bool,
    /// The next message is larger than all the room there is: it is asked for alone.
    oversized: bool,
}

impl Reader {
    pub(crate) async fn open(address: Nats, wanted: Wanted) -> Result<Self, Error> {
        let context = connect(&address).await?;
        let wanted = config(&address, wanted, &context)?;
        Ok(Self {
            writer: super::Writer::over(context.clone(), address.clone()),
            context,
            address,
            wanted,
            consumer: None,
            begun: false,
            starting: None,
            pull: None,
            brought: false,
            oversized: false,
        })
    }

    pub(crate) fn writer(&self) -> super::Writer {
        self.writer.clone()
    }

    pub(crate) fn keeper(&self) -> super::Keeper {
        super::Keeper::new(self.context.clone(), self.address.clone())
    }

    pub(crate) async fn backlog(&mut self) -> Result<u64, Error> {
        let stream = self.context.get_stream_no_info(self.address.stream()).await;
        let name = self.wanted.durable_name.as_deref().unwrap_or_default();
        let info = stream
            .map_err(setup::unavailable)?
            .consumer_info(name)
            .await
            .map_err(setup::unavailable)?;
        Ok(info.num_pending + info.num_ack_pending as u64)
    }

    /// Best effort: what is left is forgotten after a while.
    pub(crate) async fn end(&mut self) {
        let name = self.wanted.durable_name.as_deref().unwrap_or_default();
        if !name.starts_with(HISTORY) || !self.begun {
            return;
        }
        let deleting = async {
            let stream = self.context.get_stream_no_info(self.address.stream()).await;
            stream
                .map_err(setup::unavailable)?
                .delete_consumer(name)
                .await
                .map_err(setup::unavailable)
        };
        if let Err(error) = deleting.await {
            tracing::debug!(%error, "the bus forgets by itself how far its history was read");
        }
    }

    pub(crate) fn taken(&mut self) -> Vec<Delivery> {
        let mut taken = Vec::new();
        if let Some(mut pull) = self.pull.take() {
            while let Some(Some(Ok(message))) = pull.next().now_or_never() {
                taken.push(delivery(message));
            }
        }
        taken
    }

    /// Cancel-safe: what is under way between calls is kept in `self`. A pull that was asked for
    /// and forgotten would be answered to nobody, and its messages come again only after
    /// `ack_wait`.
    pub(crate) async fn next(&mut self, room: usize) -> Result<Delivery, Error> {
        loop {
            if let Some(pull) = &mut self.pull {
                match pull.next().await {
                    Some(Ok(message)) => {
                        self.brought = true;
                        return Ok(delivery(message));
                    }
                    // The next message would not fit in what was asked for: ask anew.
                    Some(Err(error)) if error.to_string().contains("MaxBytes") => {
                        self.oversized = !self.brought;
                        self.pull = None;
                    }
                    Some(Err(error)) => {
                        self.pull = None;
                        // It may have been deleted: look for it, make it if need be.
                        self.consumer = None;
                        return Err(setup::unavailable(error));
                    }
                    None => self.pull = None,
                }
                continue;
            }
            if room < crate::MIN_ROOM && self.starting.is_none() {
                // Room comes with the next call.
                return std::future::pending().await;
            }
            if !connected(&self.context) {
                self.starting = None;
                return Err(Error::Unavailable("not connected".into()));
            }
            // No bound on bytes for a message that nobody could ever take otherwise.
            let (messages, bytes) = if self.oversized { (1, 0) } else { (PULL_MESSAGES, room) };
            let starting = self.starting.get_or_insert_with(|| {
                let (context, address) = (self.context.clone(), self.address.clone());
                let (wanted, begun) = (self.wanted.clone(), self.begun);
                start_pull(context, address, wanted, self.consumer.take(), begun, messages, bytes).boxed()
            });
            let started = starting.await;
            self.starting = None;
            (self.brought, self.oversized) = (false, false);
            let (consumer, pull) = started?;
            (self.consumer, self.begun) = (Some(consumer), true);
            self.pull = Some(pull);
        }
    }
}

/// What every consumer of a reader has.
fn shared() -> Config {
    Config {
        ack_policy: AckPolicy::Explicit,
        ack_wait: crate::PROGRESS * 3,
        // Without a limit: a message that ran out of tries would be stranded for good.
        max_deliver: -1,
        max_ack_pending: 4096,
        ..Config::default()
    }
}

/// The consumer that all readers of a lane share.
pub(super) fn of_lane(address: &Nats, lane: Lane) -> Config {
    Config {
        durable_name: Some(format!("persistor_{}", lane.name())),
        filter_subject: address.subject(lane),
        description: Some("Stores readings in the database".into()),
        ..shared()
    }
}

/// The consumer that a reader wants.
fn config(address: &Nats, wanted: Wanted, context: &Context) -> Result<Config, Error> {
    // The client makes unique names for its inboxes; the last part of one is unique by itself.
    let inbox = context.client().new_inbox();
    let name = inbox.rsplit('.').next().unwrap_or_default();
    Ok(match wanted {
        Wanted::Lane(lane) => of_lane(address, lane),
        Wanted::History(since) => Config {
            // A name, so that it is found again when the connection is lost on the way.
            durable_name: Some(format!("{HISTORY}{name}")),
            deliver_policy: match since {
                None => DeliverPolicy::All,
                Some(since) => {
                    super::since(since).ok_or_else(|| Error::Url("the moment to read from is out of range".into()))?
                }
            },
            inactive_threshold: FORGOTTEN_AFTER,
            description: Some("Reads the history again".into()),
            ..shared()
        },
    })
}

fn delivery(message: async_nats::jetstream::Message) -> Delivery {
    let (message, acker) = message.split();
    Delivery {
        event: event(message.headers.as_ref(), &message.payload),
        lane: message.subject.rsplit('.').next().and_then(Lane::named),
        receipt: crate::Receipt::Nats(Box::new(Receipt {
            acker: Some(acker),
            headers: message.headers,
        })),
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
) -> Result<(PullConsumer, Batch), Error> {
    let consumer = match consumer {
        Some(consumer) => consumer,
        None => {
            let is_history = wanted.filter_subject.is_empty();
            // Who reads a lane may be the first; a history that is not there has no reader.
            let stream = if is_history {
                setup::existing(&context, &address).await?
            } else {
                setup::streams(&context, &address).await?
            };
            if is_history && begun {
                setup::remembered(&stream, &wanted).await?;
            }
            setup::consumer(&stream, wanted).await?
        }
    };
    let batch = consumer
        .batch()
        .max_messages(messages)
        .max_bytes(bytes)
        .expires(PULL_EXPIRES)
        .messages()
        .await
        .map_err(setup::unavailable)?;
    Ok((consumer, batch))
}

pub(crate) struct Receipt {
    acker: Option<Acker>,
    headers: Option<HeaderMap>,
}

impl Receipt {
    /// The headers that the message came with.
    pub(crate) fn headers(&self) -> Option<&HeaderMap> {
        self.headers.as_ref()
    }

    pub(crate) async fn ack(&mut self) {
        if let Some(acker) = self.acker.take() {
            send(&acker, AckKind::Ack).await;
        }
    }

    pub(crate) async fn progress(&self) {
        if let Some(acker) = &self.acker {
            send(acker, AckKind::Progress).await;
        }
    }

    pub(crate) async fn release(&self) {
        if let Some(acker) = &self.acker {
            send(acker, AckKind::Nak(None)).await;
        }
    }
}

/// Best effort: what gets lost is made good by a redelivery.
async fn send(acker: &Acker, kind: AckKind) {
    if let Err(error) = acker.ack_with(kind).await {
        tracing::debug!(%error, "acknowledgement not sent");
    }
}
