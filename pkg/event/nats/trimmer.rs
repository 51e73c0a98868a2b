//! Trims the stream, which is queue and history in one.
//!
//! The acknowledgement floors say what was acknowledged: all messages of a lane up to its consumer's floor are
//! acknowledged. Each lane is purged by its own subject up to its own floor. An idle lane, whose floor
//! stands still, therefore delays no other. Messages published meanwhile lie above both floors. Where a
//! consumer is missing, nothing is trimmed. The floor of a new consumer lies below all messages.
//!
//! Messages that a history reader has not read yet stay as well.

use super::consumer::HISTORY;
use super::{away, connected, consumer, setup, since};
use crate::address::Nats;
use crate::{Error, FillLevel, Lane};
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, Info as ConsumerInfo, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{Info, Stream};
use futures_util::TryStreamExt;
use std::time::Duration;

/// In tenths of the stream's limit: where trimming for room begins, and where it ends.
const NEARLY_FULL: u64 = 8;
const RELIEVED: u64 = 7;

/// Rounds of trimming for room, at the most; each reads the floors anew.
const ROUNDS: u64 = 32;

/// How long the server keeps a consumer that only locates a time, if it is not deleted.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(10);

/// Trims the history of a bus. Never drops an event that is unacknowledged or that a history reader has
/// not read yet. Cheap to clone.
#[derive(Clone)]
pub struct HistoryTrimmer {
    context: Context,
    address: Nats,
}

impl HistoryTrimmer {
    pub(super) fn new(context: Context, address: Nats) -> Self {
        Self { context, address }
    }

    /// Returns the fill level of the bus.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again after a while. [`Error::Refused`]: a consumer's settings make its
    /// numbers meaningless.
    pub async fn fill_level(&self) -> Result<FillLevel, Error> {
        let stream = self.stream().await?;
        let info = stream.cached_info();
        let consumers = self.consumers(&stream).await?;
        let unacknowledged = consumers.map(|consumers| {
            let of = |info: &ConsumerInfo| info.num_pending + info.num_ack_pending as u64;
            consumers.iter().map(of).sum()
        });
        Ok(FillLevel {
            bytes: info.state.bytes,
            max_bytes: setup::max_bytes(info),
            unacknowledged,
            nearly_full: excess(info, NEARLY_FULL) > 0.0,
        })
    }

    /// Trims acknowledged events that were stored before `moment` (microseconds since 1970). Returns their
    /// number.
    ///
    /// # Errors
    /// As [`HistoryTrimmer::fill_level`], possibly after trimming some.
    pub async fn trim_before(&self, moment: i64) -> Result<u64, Error> {
        let stream = self.stream().await?;
        let state = &stream.cached_info().state;
        if state.messages == 0 || state.first_timestamp.unix_timestamp_nanos() >= i128::from(moment) * 1000 {
            return Ok(0);
        }
        let Some(deliver_policy) = since(moment) else {
            return Ok(0);
        };
        // A new consumer that begins at this time tells its sequence without reading a message.
        let asking = pull::Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            inactive_threshold: INACTIVE_THRESHOLD,
            memory_storage: true,
            num_replicas: 1,
            description: Some("Asks where a moment lies".into()),
            ..pull::Config::default()
        };
        let asked = stream.create_consumer(asking).await.map_err(setup::unavailable)?;
        let before = asked.cached_info().delivered.stream_sequence;
        if let Err(error) = stream.delete_consumer(&asked.cached_info().name).await {
            tracing::debug!(%error, "could not delete a temporary consumer; the server will");
        }
        self.purge_up_to(before).await
    }

    /// Drops the oldest acknowledged events of a nearly full bus until it is seven tenths full, or none is left.
    /// Returns their number.
    ///
    /// # Errors
    /// As [`HistoryTrimmer::fill_level`], possibly after trimming some.
    pub async fn make_room(&self) -> Result<u64, Error> {
        let (mut trimmed, mut looked) = (0, 0);
        for round in 0..ROUNDS {
            let stream = self.stream().await?;
            let info = stream.cached_info();
            let tenths = if round == 0 { NEARLY_FULL } else { RELIEVED };
            if excess(info, tenths) <= 0.0 {
                break;
            }
            let Some(floors) = self.floors(&stream).await? else {
                break;
            };
            let last = floors.iter().map(|(_, floor)| *floor).max().unwrap_or_default();
            let from = info.state.first_sequence.max(looked + 1);
            if from > last {
                break;
            }
            // The excess, as if all messages were of one size; and enough to end within ROUNDS.
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a part of the messages there are, roughly"
            )]
            let many = (info.state.messages as f64 * excess(info, RELIEVED)) as u64;
            looked = last.min(from + many.max((last - from) / (ROUNDS / 2)));
            trimmed += self.purge_up_to(looked).await?;
        }
        if trimmed == 0 && self.read_again(&self.stream().await?).await?.is_some() {
            tracing::warn!("the event bus is nearly full, and a history reader keeps its history from being trimmed");
        }
        Ok(trimmed)
    }

    /// Trims acknowledged messages up to this sequence.
    async fn purge_up_to(&self, sequence: u64) -> Result<u64, Error> {
        let stream = self.stream().await?;
        let Some(floors) = self.floors(&stream).await? else {
            return Ok(0);
        };
        let first = stream.cached_info().state.first_sequence;
        let all = floors.iter().map(|(_, floor)| *floor).min().unwrap_or_default();
        let all = all.min(sequence);
        let mut trimmed = 0;
        if all >= first {
            // Without a filter, whole files are dropped at once.
            let purged = stream.purge().sequence(all + 1).await.map_err(setup::unavailable)?;
            trimmed += purged.purged;
        }
        for (subject, floor) in floors {
            let up_to = floor.min(sequence);
            if up_to >= first && up_to > all {
                let purge = stream.purge().sequence(up_to + 1).filter(subject);
                trimmed += purge.await.map_err(setup::unavailable)?.purged;
            }
        }
        Ok(trimmed)
    }

    /// The stream as it is now.
    async fn stream(&self) -> Result<Stream, Error> {
        if !connected(&self.context) {
            return Err(away(&self.address));
        }
        let name = self.address.stream();
        let stream = setup::find(&self.context, &name).await?;
        stream.ok_or_else(|| Error::Unavailable(format!("there is no stream {name} yet")))
    }

    /// The sequence up to which each lane may be trimmed, by subject; `None` where a consumer is missing.
    async fn floors(&self, stream: &Stream) -> Result<Option<Vec<(String, u64)>>, Error> {
        let Some(consumers) = self.consumers(stream).await? else {
            return Ok(None);
        };
        let read = self.read_again(stream).await?;
        let floor = |(lane, info): (Lane, ConsumerInfo)| {
            let floor = info.ack_floor.stream_sequence;
            (self.address.subject(lane), read.map_or(floor, |read| floor.min(read)))
        };
        Ok(Some(Lane::ALL.into_iter().zip(consumers).map(floor).collect()))
    }

    /// The sequence up to which all history readers have read; `None` without history readers. A reader that
    /// begins a moment later begins with the messages that are left.
    async fn read_again(&self, stream: &Stream) -> Result<Option<u64>, Error> {
        // By name: a cluster names all consumers, but its list of consumers leaves out those whose leader
        // does not answer.
        let names: Vec<String> = stream
            .consumer_names()
            .try_collect()
            .await
            .map_err(setup::unavailable)?;
        let mut lowest = None;
        for name in names.iter().filter(|name| name.starts_with(HISTORY)) {
            match stream.consumer_info(name).await {
                Ok(info) => {
                    let floor = info.ack_floor.stream_sequence;
                    lowest = Some(lowest.map_or(floor, |lowest: u64| lowest.min(floor)));
                }
                Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {}
                Err(error) => return Err(setup::unavailable(error)),
            }
        }
        Ok(lowest)
    }

    /// The consumers of all lanes, in their order; `None` where one is missing.
    async fn consumers(&self, stream: &Stream) -> Result<Option<Vec<ConsumerInfo>>, Error> {
        let mut consumers = Vec::with_capacity(Lane::ALL.len());
        for lane in Lane::ALL {
            let wanted = consumer::of_lane(&self.address, lane);
            let name = wanted.durable_name.as_deref().unwrap_or_default();
            match stream.consumer_info(name).await {
                Ok(info) => {
                    // The floor of a consumer that was made to begin elsewhere means nothing.
                    setup::judge_consumer(&info.config, &wanted)?;
                    consumers.push(info);
                }
                Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(setup::unavailable(error)),
            }
        }
        Ok(Some(consumers))
    }
}

/// The part of the stream above so many tenths of its limits; below 0 where it is under them.
#[allow(clippy::cast_precision_loss, reason = "a part of a whole, roughly")]
fn excess(info: &Info, tenths: u64) -> f64 {
    let of = |found: u64, most: i64| {
        if most <= 0 || found == 0 {
            return -1.0;
        }
        1.0 - most as f64 * tenths as f64 / 10.0 / found as f64
    };
    of(info.state.bytes, info.config.max_bytes).max(of(info.state.messages, info.config.max_messages))
}
