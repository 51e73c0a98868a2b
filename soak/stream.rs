//! The stream as its operator sees it, straight from the nats-server: how full it is, what waits,
//! and what became a dead letter.

use crate::body::invalid_of;
use crate::system::System;
use anyhow::{Context as _, ensure};
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

const STREAM: &str = "READINGS";
const DEAD: &str = "READINGS_DEAD";
const CONSUMERS: [&str; 2] = ["persistor_live", "persistor_bulk"];

/// How long the server may take to answer; it is being stopped and killed meanwhile.
const DEADLINE: Duration = Duration::from_secs(5);

/// A connection to the nats-server.
pub(crate) struct Operator {
    context: Context,
    limit: u64,
}

impl Operator {
    pub(crate) async fn connect(system: &System) -> anyhow::Result<Self> {
        let client = async_nats::ConnectOptions::new()
            .name("soak")
            .retry_on_initial_connect()
            .connection_timeout(DEADLINE)
            .reconnect_delay_callback(|_| Duration::from_millis(100))
            .connect(&system.nats_url)
            .await
            .context("connect to the nats-server")?;
        let mut context = jetstream::new(client);
        context.set_timeout(DEADLINE);
        Ok(Self {
            context,
            limit: system.stream_bytes,
        })
    }

    async fn stream(&self) -> anyhow::Result<Stream> {
        timeout(DEADLINE, self.context.get_stream(STREAM))
            .await
            .context("the nats-server does not answer")?
            .context("look at the stream")
    }

    /// How full the stream is, in hundredths of its limit.
    pub(crate) async fn level(&self) -> anyhow::Result<u64> {
        Ok(self.stream().await?.cached_info().state.bytes * 100 / self.limit)
    }

    /// Messages that no persistor has acknowledged yet.
    pub(crate) async fn backlog(&self) -> anyhow::Result<u64> {
        let stream = self.stream().await?;
        let mut backlog = 0;
        for name in CONSUMERS {
            let info = timeout(DEADLINE, stream.consumer_info(name)).await??;
            backlog += info.num_pending + info.num_ack_pending as u64;
        }
        Ok(backlog)
    }

    /// Deletes the consumers that the persistors read by.
    pub(crate) async fn drop_consumers(&self) -> anyhow::Result<()> {
        let stream = self.stream().await?;
        for name in CONSUMERS {
            let deleted = timeout(DEADLINE, stream.delete_consumer(name)).await??;
            ensure!(deleted.success, "the consumer {name} was not deleted");
        }
        Ok(())
    }

    /// Purges history that is stored; the messages purged.
    pub(crate) async fn purge_stored(&self) -> anyhow::Result<u64> {
        let stream = self.stream().await?;
        let state = &stream.cached_info().state;
        // Looked at before the consumers: what a consumer that has nothing left knows of is at
        // least this much.
        let mut stored = state.last_sequence;
        for name in CONSUMERS {
            let info = timeout(DEADLINE, stream.consumer_info(name)).await??;
            if info.num_pending > 0 || info.num_ack_pending > 0 {
                stored = stored.min(info.ack_floor.stream_sequence);
            }
        }
        if stored < state.first_sequence {
            return Ok(0);
        }
        let purged = timeout(DEADLINE, stream.purge().sequence(stored + 1)).await??;
        Ok(purged.purged)
    }

    /// The rejected lines among the dead letters, by client, body and line; and the other dead
    /// letters, of which there must be none.
    pub(crate) async fn dead_letters(&self) -> anyhow::Result<DeadLetters> {
        let stream = timeout(DEADLINE, self.context.get_stream(DEAD)).await??;
        let state = stream.cached_info().state.clone();
        let mut dead = DeadLetters {
            complete: state.first_sequence <= 1,
            ..DeadLetters::default()
        };
        let config = Config {
            ack_policy: jetstream::consumer::AckPolicy::None,
            ..Config::default()
        };
        let consumer: PullConsumer = timeout(DEADLINE, stream.create_consumer(config)).await??;
        let mut left = state.messages;
        while left > 0 {
            let mut messages = consumer.fetch().max_messages(256).messages().await?;
            let before = left;
            while let Some(message) = messages.next().await {
                let message = message.map_err(|error| anyhow::anyhow!("read the dead letters: {error}"))?;
                left -= 1;
                dead.take(&message);
            }
            ensure!(left < before, "{left} dead letters cannot be read");
        }
        Ok(dead)
    }
}

/// What the stream of dead letters holds.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    /// Nothing of it had to make room.
    pub(crate) complete: bool,
    /// Of each client and body, the rejected lines that are there, a bit each.
    pub(crate) lines: BTreeMap<(u32, u32), u32>,
    /// What is neither a rejected line nor sent by us.
    pub(crate) strangers: Vec<String>,
}

impl DeadLetters {
    fn take(&mut self, message: &jetstream::Message) {
        let header = |name: &str| {
            let headers = message.headers.as_ref()?;
            Some(headers.get(name)?.as_str().to_owned())
        };
        let kind = header("ce-type").unwrap_or_default();
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        if kind != "odograph.rejected.v1" {
            let reason = header("odograph-reason").unwrap_or_default();
            self.strange(format!("a message of type {kind}: {reason}"));
            return;
        }
        for line in text.lines() {
            let kept: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            let raw = kept["reading"].as_str().unwrap_or_default();
            match invalid_of(raw) {
                Some((client, number, line)) if line < 32 => {
                    *self.lines.entry((client, number)).or_default() |= 1 << line;
                }
                _ => self.strange(format!("a line that nobody sent, or that was good: {line}")),
            }
        }
    }

    fn strange(&mut self, text: String) {
        if self.strangers.len() < 20 {
            self.strangers.push(text);
        }
    }
}
