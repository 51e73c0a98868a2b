//! The consumers that readers want: one for each lane, which all its readers share, and one for each history
//! reader.

use crate::address::Nats;
use crate::{Error, Lane};
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use std::time::Duration;

/// How long the server remembers the acknowledgements of a silent history reader.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(600);

/// Prefix of the names of history readers' consumers.
pub(super) const HISTORY: &str = "history_";

/// The messages that a reader reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// To share the lane's events with others.
    Lane(Lane),
    /// To read the whole history, or its part since this time (microseconds since 1970).
    History(Option<i64>),
}

/// Settings of every reader's consumer.
fn shared() -> Config {
    Config {
        ack_policy: AckPolicy::Explicit,
        ack_wait: crate::PROGRESS_INTERVAL * 3,
        // Without a limit: the server would never deliver a message again that ran out of tries.
        max_deliver: -1,
        max_ack_pending: 4096,
        ..Config::default()
    }
}

/// The consumer that all readers of a lane share.
pub(super) fn of_lane(address: &Nats, lane: Lane) -> Config {
    Config {
        durable_name: Some(format!("{}_{}", address.names.reader, lane.name())),
        filter_subject: address.subject(lane),
        description: Some(address.names.consumer.into()),
        ..shared()
    }
}

/// Whether this consumer reads the history of both lanes.
pub(super) fn is_history(wanted: &Config) -> bool {
    wanted.filter_subject.is_empty()
}

/// The consumer that a reader wants.
pub(super) fn config(address: &Nats, wanted: Wanted, context: &Context) -> Result<Config, Error> {
    // The last part of the client's inbox names is unique by itself.
    let inbox = context.client().new_inbox();
    let name = inbox.rsplit('.').next().unwrap_or_default();
    Ok(match wanted {
        Wanted::Lane(lane) => of_lane(address, lane),
        Wanted::History(since) => Config {
            // Named, so that the reader finds it again after a lost connection.
            durable_name: Some(format!("{HISTORY}{name}")),
            deliver_policy: match since {
                None => DeliverPolicy::All,
                Some(since) => {
                    super::since(since).ok_or_else(|| Error::Url("the moment to read from is out of range".into()))?
                }
            },
            inactive_threshold: INACTIVE_THRESHOLD,
            description: Some("Reads the history again".into()),
            ..shared()
        },
    })
}
