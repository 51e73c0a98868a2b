//! The spare stream of a cluster, `EVENTS_SPARE`: takes events while the stream has no leader.
//!
//! Servers wait 4 to 9 seconds before they elect a new leader of a stream; no setting changes that.
//! Meanwhile writers publish to the spare stream, which has as many replicas and a leader on another
//! server. Readers of the lanes give its events back to the stream, so all readers read one stream. An event may be
//! given back twice, as it may be delivered twice.

use super::{connected, setup};
use crate::address::Nats;
use crate::{Error, Lane};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::Info;
use async_nats::jetstream::{AckKind, Context, Message};
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often a reader checks the spare stream.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long one check may take, and giving one event back.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Events given back at once.
const TOGETHER: usize = 8;

/// How long the server waits for events to be given back.
const FETCH_EXPIRES: Duration = Duration::from_secs(1);

/// The consumer that gives events back.
const CONSUMER: &str = "give_back";

/// Gives back the spare stream's events, and keeps its leader and the stream's on different servers. Does
/// not end.
pub(super) async fn tend(context: &Context, address: &Nats) {
    loop {
        sleep(CHECK_INTERVAL).await;
        if !connected(context) {
            continue;
        }
        match timeout(TIMEOUT, once(context, address)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(events)) => tracing::info!(events, "moved the events of the spare stream to the stream"),
            // Either stream may have no leader now.
            Ok(Err(error)) => tracing::debug!(%error, "could not check the spare stream; trying again"),
            Err(_) => tracing::debug!("checking the spare stream took too long; trying again"),
        }
    }
}

/// Checks once, and returns how many events it gave back.
async fn once(context: &Context, address: &Nats) -> Result<usize, Error> {
    let stream = setup::named(context, &address.stream()).await?;
    let spare = setup::named(context, &address.spare_stream()).await?;
    let (info, of_spare) = (stream.cached_info(), spare.cached_info());
    if leader(info).is_some() && leader(info) == leader(of_spare) {
        // The next leader is on another server. The next check shows whether it was elected.
        let subject = format!("$JS.API.STREAM.LEADER.STEPDOWN.{}", address.spare_stream());
        let asked = context.client().request(subject, Bytes::new()).await;
        asked.map_err(setup::unavailable)?;
    }
    let mut given_back = 0;
    if of_spare.state.messages > 0 {
        let wanted = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: TIMEOUT,
            // Without a limit: the server would never deliver an event again that ran out of tries.
            max_deliver: -1,
            description: Some("Gives events back to the stream".into()),
            ..pull::Config::default()
        };
        let consumer = setup::consumer(&spare, wanted).await?;
        loop {
            let events = give_back(context, address, &consumer).await?;
            given_back += events;
            if events == 0 {
                break;
            }
        }
    }
    Ok(given_back)
}

/// Checks that the history is complete: events of the spare stream are not in the stream until a reader of
/// the lanes moves them.
///
/// # Errors
/// [`Error::Unavailable`] while the spare stream holds events.
pub(super) async fn must_be_empty(context: &Context, address: &Nats, of_stream: &Info) -> Result<(), Error> {
    if of_stream.config.num_replicas < 2 {
        // Only a cluster has a spare stream.
        return Ok(());
    }
    let name = address.spare_stream();
    match setup::find(context, &name).await? {
        Some(spare) if spare.cached_info().state.messages > 0 => Err(Error::Unavailable(format!(
            "{} events are still in the spare stream {name}; a {} moves them, start one",
            spare.cached_info().state.messages,
            address.names.reader
        ))),
        _ => Ok(()),
    }
}

fn leader(info: &Info) -> Option<&str> {
    info.cluster.as_ref()?.leader.as_deref()
}

/// Gives some events of the spare stream back to the stream.
async fn give_back(context: &Context, address: &Nats, consumer: &PullConsumer) -> Result<usize, Error> {
    let asked = consumer.fetch().max_messages(TOGETHER).expires(FETCH_EXPIRES);
    let messages = asked.messages().await.map_err(setup::unavailable)?;
    let messages: Vec<Message> = messages.try_collect().await.map_err(setup::unavailable)?;
    let events = messages.len();
    let given_back = join_all(messages.iter().map(|message| move_over(context, address, message)));
    given_back.await.into_iter().collect::<Result<(), Error>>()?;
    Ok(events)
}

/// Publishes a message of the spare stream to the stream, and deletes it once it is stored there.
async fn move_over(context: &Context, address: &Nats, message: &Message) -> Result<(), Error> {
    let published = publish(context, address, message).await;
    let kind = if published.is_ok() {
        AckKind::Ack
    } else {
        AckKind::Nak(None)
    };
    // If the acknowledgement gets lost, the event is given back again.
    message.double_ack_with(kind).await.map_err(setup::unavailable)?;
    published
}

/// Publishes a message of the spare stream to the stream.
async fn publish(context: &Context, address: &Nats, message: &Message) -> Result<(), Error> {
    let lane = message.subject.rsplit('.').next().and_then(Lane::named);
    let lane = lane.ok_or_else(|| Error::Unavailable("an event came through no lane".into()))?;
    let (headers, payload) = (message.headers.clone().unwrap_or_default(), message.payload.clone());
    let stored = context.publish_with_headers(address.subject(lane), headers, payload);
    let stored = stored.await.map_err(setup::unavailable)?;
    stored.await.map_err(setup::unavailable)?;
    Ok(())
}
