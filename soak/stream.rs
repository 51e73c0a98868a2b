//! The stream as the nats-server reports it to an operator: its fill level and backlog.

use crate::system::System;
use anyhow::{Context as _, ensure};
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
use std::time::Duration;
use tokio::time::timeout;

const STREAM: &str = "READINGS";
const CONSUMERS: [&str; 2] = ["persistor_live", "persistor_bulk"];

/// How long the server may take to answer; faults stop and kill it meanwhile.
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

    /// The stream's fill level, in hundredths of its limit.
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

    /// Deletes the persistors' consumers.
    pub(crate) async fn drop_consumers(&self) -> anyhow::Result<()> {
        let stream = self.stream().await?;
        for name in CONSUMERS {
            let deleted = timeout(DEADLINE, stream.delete_consumer(name)).await??;
            ensure!(deleted.success, "the consumer {name} was not deleted");
        }
        Ok(())
    }

    /// Purges stored messages. Returns their number.
    pub(crate) async fn purge_stored(&self) -> anyhow::Result<u64> {
        let stream = self.stream().await?;
        let state = &stream.cached_info().state;
        // Read before the consumers: a consumer without backlog has read at least up to here.
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
}
