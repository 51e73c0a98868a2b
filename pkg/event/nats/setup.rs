//! Makes missing streams and consumers and refuses those that would lose data; never alters any.

use crate::address::Nats;
use crate::{Error, Lane};
use async_nats::datetime::parse_rfc3339;
use async_nats::jetstream::consumer::{self, AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{
    ConsumerInfoErrorKind, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind, RequestError, RequestErrorKind,
};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use std::time::Duration;

/// The oldest supported server; older ones silently ignore settings.
const OLDEST: (i64, i64, i64) = (2, 10, 8);

/// Size limit of the spare stream, in bytes: events of some seconds. Writers wait while it is full.
const SPARE_BYTES: i64 = 256 << 20;

/// Checks the server and makes the streams where they are missing.
pub(super) async fn streams(context: &Context, address: &Nats) -> Result<Stream, Error> {
    check_server(context)?;
    let wanted = Config {
        name: address.stream(),
        // No others: the stream would keep messages under another subject, and no consumer reads them.
        subjects: Lane::ALL.map(|lane| address.subject(lane)).to_vec(),
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_age: Duration::ZERO,
        max_bytes: address.max_bytes,
        num_replicas: address.replicas,
        description: Some(address.names.stream.into()),
        ..Config::default()
    };
    let stream = get_or_create(context, wanted.clone()).await?;
    judge(&stream.cached_info().config, &wanted)?;
    if is_replicated(&stream) {
        // With the stream's replicas, not the URL's: programs with another URL must find it, too.
        let wanted = spare(address, stream.cached_info().config.num_replicas);
        let spare = get_or_create(context, wanted.clone()).await?;
        judge(&spare.cached_info().config, &wanted)?;
    }
    Ok(stream)
}

/// The spare stream beside a stream with so many replicas.
fn spare(address: &Nats, replicas: usize) -> Config {
    Config {
        name: address.spare_stream(),
        subjects: Lane::ALL.map(|lane| address.spare_subject(lane)).to_vec(),
        storage: StorageType::File,
        // An acknowledged event is deleted.
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        max_age: Duration::ZERO,
        max_bytes: address.max_bytes.min(SPARE_BYTES),
        num_replicas: replicas,
        description: Some(address.names.spare.into()),
        ..Config::default()
    }
}

/// Whether several servers store the stream.
pub(super) fn is_replicated(stream: &Stream) -> bool {
    stream.cached_info().config.num_replicas > 1
}

/// Finds the stream of events; an error where it is missing.
pub(super) async fn existing(context: &Context, address: &Nats) -> Result<Stream, Error> {
    check_server(context)?;
    named(context, &address.stream()).await
}

/// Finds a stream; an error where it is missing.
pub(super) async fn named(context: &Context, name: &str) -> Result<Stream, Error> {
    find(context, name).await?.ok_or_else(|| {
        Error::Refused(format!(
            "there is no stream {name} on this server; is it named right in the event bus URL?"
        ))
    })
}

/// The stream of this name; `None` where it is missing.
pub(super) async fn find(context: &Context, name: &str) -> Result<Option<Stream>, Error> {
    let error = match context.get_stream(name).await {
        Ok(stream) => return Ok(Some(stream)),
        Err(error) => error,
    };
    let code = match error.kind() {
        GetStreamErrorKind::JetStream(error) => Some(error.error_code()),
        _ => None,
    };
    match code {
        Some(ErrorCode::STREAM_NOT_FOUND) => Ok(None),
        Some(ErrorCode::JETSTREAM_NOT_ENABLED) => Err(no_jetstream()),
        Some(ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT) => Err(Error::Unavailable(
            "the nats-server keeps nothing for this user's account; enable JetStream for the account".into(),
        )),
        // Without JetStream, another server of a cluster may answer.
        None if has_no_responders(&error) && !context.client().server_info().jetstream => Err(no_jetstream()),
        _ => Err(unavailable(error)),
    }
}

fn has_no_responders(error: &GetStreamError) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<RequestError>());
    cause.is_some_and(|cause| cause.kind() == RequestErrorKind::NoResponders)
}

/// The error of a server without JetStream. Retrying finds out when JetStream was enabled.
fn no_jetstream() -> Error {
    Error::Unavailable(
        "the nats-server runs without JetStream, which keeps the events; start it with JetStream: nats-server -js"
            .into(),
    )
}

/// The latest time in the server's stream info, in microseconds since 1970: its own, or the last
/// message's. The client's type lacks the server's time.
pub(super) async fn latest_moment(context: &Context, stream: &str) -> Result<i64, Error> {
    #[derive(serde::Deserialize)]
    struct Told {
        ts: Option<String>,
        state: State,
    }
    #[derive(serde::Deserialize)]
    struct State {
        last_ts: String,
    }
    let asked = context.request(format!("STREAM.INFO.{stream}"), &());
    let told: Response<Told> = asked.await.map_err(unavailable)?;
    let told = match told {
        Response::Ok(told) => told,
        Response::Err { error } => return Err(unavailable(error)),
    };
    let moment = |text: &str| {
        let moment = parse_rfc3339(text).ok()?.unix_timestamp_nanos() / 1000;
        i64::try_from(moment).ok()
    };
    let told = [told.ts.as_deref(), Some(&*told.state.last_ts)];
    let latest = told.into_iter().flatten().filter_map(moment).max();
    latest.ok_or_else(|| Error::Unavailable("the stream tells no time".into()))
}

/// Size limit of a stream, in bytes; `None`: no limit.
pub(super) fn max_bytes(info: &Info) -> Option<u64> {
    u64::try_from(info.config.max_bytes).ok().filter(|max| *max > 0)
}

/// The consumer that `wanted` describes, made where it is missing.
pub(super) async fn consumer(stream: &Stream, wanted: pull::Config) -> Result<PullConsumer, Error> {
    let name = wanted.durable_name.clone().unwrap_or_default();
    let consumer: PullConsumer = stream
        .get_or_create_consumer(&name, wanted.clone())
        .await
        .map_err(unavailable)?;
    let found = &consumer.cached_info().config;
    judge_consumer(found, &wanted)?;
    if found.ack_wait < crate::PROGRESS_INTERVAL * 2 {
        tracing::warn!(consumer = name, ack_wait = ?found.ack_wait, "the consumer redelivers messages that are still in work");
    }
    Ok(consumer)
}

/// Refuses to continue a history whose consumer is gone: its unread messages may have been trimmed.
pub(super) async fn remembered(stream: &Stream, wanted: &pull::Config) -> Result<(), Error> {
    let name = wanted.durable_name.as_deref().unwrap_or_default();
    match stream.consumer_info(name).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => Err(Error::Refused(
            "the event bus has forgotten how far its history was read, and may have trimmed it since; start again"
                .into(),
        )),
        Err(error) => Err(unavailable(error)),
    }
}

/// Refuses a consumer that would skip messages, or acknowledge unacknowledged ones.
pub(super) fn judge_consumer(found: &consumer::Config, wanted: &pull::Config) -> Result<(), Error> {
    let name = wanted.durable_name.as_deref().unwrap_or_default();
    let refuse = |what: &str| {
        Err(Error::Refused(format!(
            "the consumer {name} {what}, so that messages would never be stored; delete it and start again"
        )))
    };
    if found.max_deliver > 0 {
        return refuse("gives up after max_deliver tries");
    }
    if found.ack_policy != AckPolicy::Explicit {
        return refuse("does not acknowledge explicitly");
    }
    if found.deliver_policy != wanted.deliver_policy {
        return refuse("does not begin with the first message");
    }
    if found.filter_subject != wanted.filter_subject || !found.filter_subjects.is_empty() {
        return refuse("has another filter than its lane's subject");
    }
    if found.headers_only {
        return refuse("leaves out the payload");
    }
    Ok(())
}

fn check_server(context: &Context) -> Result<(), Error> {
    let client = context.client();
    // A connection counts as one a moment before what the server said of itself is there.
    let Some(told) = client.try_server_info() else {
        return Err(Error::Unavailable(
            "the nats-server has not said which one it is".into(),
        ));
    };
    let (major, minor, patch) = OLDEST;
    if !client.is_server_compatible(major, minor, patch) {
        return Err(Error::Refused(format!(
            "the nats-server is version {}, and older than {major}.{minor}.{patch}: it would ignore settings that keep data safe; update it",
            told.version
        )));
    }
    // Payload, headers and subject of the largest event.
    let needed = crate::MAX_PAYLOAD + 8 * 1024;
    let taken = client.max_payload();
    if taken < needed {
        return Err(Error::Refused(format!(
            "the nats-server takes messages of {taken} bytes at the most, {needed} are needed; raise its max_payload"
        )));
    }
    Ok(())
}

async fn get_or_create(context: &Context, wanted: Config) -> Result<Stream, Error> {
    match find(context, &wanted.name).await? {
        Some(stream) => Ok(stream),
        None => create(context, wanted).await,
    }
}

async fn create(context: &Context, wanted: Config) -> Result<Stream, Error> {
    let name = wanted.name.clone();
    let size = wanted.max_bytes;
    match context.create_stream(wanted).await {
        // The answer lacks the stream's state, so look the stream up.
        Ok(_) => {
            tracing::info!(stream = %name, max_bytes = size, "made the stream");
            context.get_stream(&name).await.map_err(unavailable)
        }
        Err(error) => match error.kind() {
            CreateStreamErrorKind::JetStream(cause)
                if [ErrorCode::STORAGE_RESOURCES_EXCEEDED, ErrorCode::INSUFFICIENT_RESOURCES]
                    .contains(&cause.error_code()) =>
            {
                Err(Error::Refused(format!(
                    "the nats-server has no room for the stream {name} of {size} bytes; raise its max_file_store, or ask for less with ?max_bytes= in the event bus URL"
                )))
            }
            _ => Err(unavailable(error)),
        },
    }
}

/// Refuses a stream that would lose data; warns of other differences.
fn judge(found: &Config, wanted: &Config) -> Result<(), Error> {
    let name = &found.name;
    let refuse = |what: &str, remedy: &str| {
        Err(Error::Refused(format!(
            "the stream {name} has {what}, which loses events that are not stored yet; {remedy}"
        )))
    };
    if found.discard != DiscardPolicy::New {
        return refuse("discard: old", "set it to new");
    }
    if !found.max_age.is_zero() {
        return refuse("a max_age", "remove it");
    }
    if found.storage != StorageType::File {
        return refuse("memory storage", "make it anew with file storage");
    }
    if found.retention != wanted.retention {
        return refuse("another retention than its own", "delete it once it is read");
    }
    if found.max_messages_per_subject > 0 {
        // Not covered by discard: new, and all events of a lane have one subject.
        return refuse("max_msgs_per_subject", "remove it");
    }
    if found.no_ack {
        return refuse("no_ack", "turn it off");
    }
    if found.max_messages > 0 {
        tracing::warn!(stream = %name, "the stream limits the number of messages");
    }
    if found.subjects != wanted.subjects {
        return Err(Error::Refused(format!(
            "the stream {name} takes the subjects {:?}, not {:?}; once its consumers have read it all, give it those subjects",
            found.subjects, wanted.subjects
        )));
    }
    if (found.max_bytes, found.num_replicas) != (wanted.max_bytes, wanted.num_replicas) {
        tracing::warn!(
            stream = %name,
            max_bytes = found.max_bytes,
            replicas = found.num_replicas,
            "the stream was made with other limits than the URL names; it is left as it is"
        );
    }
    Ok(())
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(error.to_string())
}
