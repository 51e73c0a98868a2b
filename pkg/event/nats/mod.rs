//! The bus on NATS JetStream.
//!
//! A bus that the URL names `events` is the stream `EVENTS`. It has file storage, `discard: new` and no age
//! limit, so the server never drops unacknowledged messages to make room. The lanes are its subjects
//! `events.live` and `events.bulk`, each with a durable pull consumer, `READER_live` and `READER_bulk` (see
//! [`Names`](crate::Names)). In a cluster, `EVENTS_SPARE` takes events while `EVENTS` has no leader. Events are
//! CloudEvents in binary mode: `ce-*` headers and the raw payload. A reader empties `EVENTS_DEAD`, which
//! earlier versions may have left.

mod consumer;
mod dead;
mod denied;
mod reader;
mod setup;
mod spare;
mod tls;
mod trimmer;
mod writer;

pub(crate) use consumer::Wanted;
pub use dead::DeadLetters;
pub(crate) use reader::{Reader, Receipt, Taken};
pub use trimmer::HistoryTrimmer;
pub(crate) use writer::Writer;

use crate::address::Nats;
use crate::error::should_log;
use crate::{Error, Event, Names};
use async_nats::HeaderMap;
use async_nats::datetime::DateTime;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::context::ContextBuilder;
use bytes::Bytes;
use std::time::Duration;

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long connecting to a server may take, and how often a silent one is pinged; it is given up at the
/// third ping. Shorter where the URL names several servers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PING_INTERVAL: Duration = Duration::from_secs(10);
const CLUSTER_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const CLUSTER_PING_INTERVAL: Duration = Duration::from_secs(2);

/// Kind of the header of a redriven event's mark.
const REDRIVEN: &str = "redriven";

/// Bytes of further headers kept with an event, at the most.
const FOREIGN: usize = 2048;

/// Connects in the background and again whenever the connection is lost.
async fn connect(address: &Nats) -> Result<Context, Error> {
    let checked = tls::config(address.ca.as_deref())?;
    let about = address.clone();
    let (connecting, ping) = if address.servers.len() > 1 {
        (CLUSTER_CONNECT_TIMEOUT, CLUSTER_PING_INTERVAL)
    } else {
        (CONNECT_TIMEOUT, PING_INTERVAL)
    };
    let mut options = async_nats::ConnectOptions::new()
        .name(address.names.program)
        .retry_on_initial_connect()
        .connection_timeout(connecting)
        .request_timeout(Some(TIMEOUT))
        .ping_interval(ping)
        .client_capacity(1024)
        .tls_client_config(checked)
        // A URL that names an authority asks for a server with a certificate.
        .require_tls(address.ca.is_some())
        .reconnect_delay_callback(|attempts| {
            let doubled = 50_u64 << attempts.min(7);
            Duration::from_millis(doubled.min(2000))
        })
        .event_callback(move |event| {
            let about = about.clone();
            async move {
                match event {
                    async_nats::Event::Connected => tracing::info!("connected to the event bus"),
                    async_nats::Event::Disconnected => tracing::warn!("lost the event bus; connecting again"),
                    async_nats::Event::ClientError(error) => {
                        let error = error.to_string();
                        if !error.contains("authorization") && !error.contains("nonce") {
                            tracing::debug!(error, "event bus");
                        } else if should_log(&error) {
                            tracing::error!(error, "the event bus refuses the credentials in the URL");
                        }
                    }
                    async_nats::Event::ServerError(error) => {
                        let error = error.to_string();
                        if !denied::tell(&error, &about) {
                            tracing::debug!(error, "event bus");
                        }
                    }
                    other => tracing::debug!(event = %other, "event bus"),
                }
            }
        });
    if let Some((user, password)) = address.user.clone() {
        options = options.user_and_password(user, password);
    }
    if let Some(creds) = &address.creds {
        options = options
            .credentials_file(creds)
            .await
            .map_err(|error| Error::Url(format!("the credentials file {creds} cannot be read: {error}")))?;
    }
    let client = async_nats::connect_with_options(&address.servers[..], options)
        .await
        .map_err(|error| Error::Url(error.to_string()))?;
    Ok(ContextBuilder::new()
        .timeout(TIMEOUT)
        .ack_timeout(TIMEOUT)
        .max_ack_inflight(4096)
        .build(client))
}

/// Begins with messages stored at `moment` (microseconds since 1970); `None` if it is out of range.
fn since(moment: i64) -> Option<DeliverPolicy> {
    let start_time = DateTime::from_unix_timestamp_nanos(i128::from(moment) * 1000).ok()?;
    Some(DeliverPolicy::ByStartTime { start_time })
}

fn connected(context: &Context) -> bool {
    context.client().connection_state() == async_nats::connection::State::Connected
}

/// The error of a bus without a connection.
fn away(address: &Nats) -> Error {
    Error::Unavailable(format!("{} cannot be reached", address.servers.join(", ")))
}

fn headers(event: &Event) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", event.id.as_str());
    headers.insert("ce-type", event.kind.as_str());
    headers.insert("ce-source", event.source.as_str());
    headers
}

/// The event in a message. `place` names the message where it has no id.
fn event(headers: Option<&HeaderMap>, payload: &Bytes, place: impl FnOnce() -> String) -> Event {
    let mut id = header(headers, "ce-id");
    if id.is_empty() {
        id = place();
    }
    Event {
        id,
        kind: header(headers, "ce-type"),
        source: header(headers, "ce-source"),
        payload: payload.clone(),
    }
}

/// The further headers of a message: not the event's, ours or the server's, and up to [`FOREIGN`] bytes.
fn foreign(headers: Option<&HeaderMap>, names: &Names) -> Vec<(String, String)> {
    let ours = names.header("");
    let mut kept = Vec::new();
    let mut room = FOREIGN;
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let name = name.to_string();
        let lower = name.to_ascii_lowercase();
        if ["nats-", "ce-", &ours].iter().any(|known| lower.starts_with(known)) {
            continue;
        }
        for value in values {
            let size = name.len() + value.as_str().len() + 4;
            if size <= room {
                room -= size;
                kept.push((name.clone(), value.as_str().to_owned()));
            }
        }
    }
    kept
}

/// A header's value, empty where it is missing.
fn header(headers: Option<&HeaderMap>, name: &str) -> String {
    let value = headers.and_then(|headers| headers.get(name));
    value.map(|value| value.as_str().to_owned()).unwrap_or_default()
}
