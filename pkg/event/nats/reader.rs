//! Consuming: pulls bounded by bytes as well as by count, so that nothing is held that was not
//! asked for.

use super::{connect, connected, event, setup};
use crate::address::Nats;
use crate::{Delivery, Error};
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
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

pub(crate) struct Reader {
    context: Context,
    address: Nats,
    consumer: Option<PullConsumer>,
    starting: Option<BoxFuture<'static, Result<(PullConsumer, Batch), Error>>>,
    pull: Option<Batch>,
    /// Whether the present pull has brought anything.
    brought: bool,
    /// The next message is larger than all the room there is: it is asked for alone.
    oversized: bool,
}

impl Reader {
    pub(crate) async fn open(address: Nats) -> Result<Self, Error> {
        let context = connect(&address).await?;
        Ok(Self {
            context,
            address,
            consumer: None,
            starting: None,
            pull: None,
            brought: false,
            oversized: false,
        })
    }

    pub(crate) fn writer(&self) -> super::Writer {
        super::Writer::over(self.context.clone(), self.address.clone())
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
                start_pull(context, address, self.consumer.take(), messages, bytes).boxed()
            });
            let started = starting.await;
            self.starting = None;
            (self.brought, self.oversized) = (false, false);
            let (consumer, pull) = started?;
            self.consumer = Some(consumer);
            self.pull = Some(pull);
        }
    }
}

fn delivery(message: async_nats::jetstream::Message) -> Delivery {
    let (message, acker) = message.split();
    let receipt = crate::Receipt::Nats(Box::new(Receipt(Some(acker))));
    Delivery {
        event: event(&message),
        receipt,
    }
}

async fn start_pull(
    context: Context,
    address: Nats,
    consumer: Option<PullConsumer>,
    messages: usize,
    bytes: usize,
) -> Result<(PullConsumer, Batch), Error> {
    let consumer = match consumer {
        Some(consumer) => consumer,
        None => setup::consumer(&setup::streams(&context, &address).await?).await?,
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

pub(crate) struct Receipt(Option<Acker>);

impl Receipt {
    pub(crate) async fn ack(&mut self) {
        if let Some(acker) = self.0.take() {
            send(&acker, AckKind::Ack).await;
        }
    }

    pub(crate) async fn progress(&self) {
        if let Some(acker) = &self.0 {
            send(acker, AckKind::Progress).await;
        }
    }

    pub(crate) async fn release(&self) {
        if let Some(acker) = &self.0 {
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
