//! Reading the stream of dead letters.

use super::{BURIED, CUT, LANE, REASON, TIMEOUT, Writer, away, connect, connected, event, header, setup};
use crate::address::Nats;
use crate::{Error, Lane, Letter};
use async_nats::jetstream::stream::{DeleteMessageErrorKind, RawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between looks whether the bus is there.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Letters {
    context: Context,
    address: Nats,
}

impl Letters {
    pub(crate) async fn open(address: Nats) -> Result<Self, Error> {
        let context = connect(&address).await?;
        Ok(Self { context, address })
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::over(self.context.clone(), self.address.clone())
    }

    pub(crate) async fn newest(&self) -> Result<u64, Error> {
        Ok(self.stream().await?.cached_info().state.last_sequence)
    }

    pub(crate) async fn after(&self, number: u64) -> Result<Option<Letter>, Error> {
        after(&self.stream().await?, &self.address, number.saturating_add(1)).await
    }

    pub(crate) async fn delete(&self, number: u64) -> Result<bool, Error> {
        match self.stream().await?.delete_message(number).await {
            Ok(deleted) => Ok(deleted),
            Err(error) => match error.kind() {
                DeleteMessageErrorKind::JetStream(cause)
                    if cause.error_code() == ErrorCode::SEQUENCE_NOT_FOUND || cause.code() == 404 =>
                {
                    Ok(false)
                }
                // What the server says of a message that is not there any more.
                _ if error.to_string().contains("no message found") => Ok(false),
                _ => Err(setup::unavailable(error)),
            },
        }
    }

    /// The stream; waits a while for the connection.
    async fn stream(&self) -> Result<Stream, Error> {
        let end = Instant::now() + TIMEOUT;
        while !connected(&self.context) {
            if Instant::now() >= end {
                return Err(away(&self.address));
            }
            sleep(LOOK).await;
        }
        setup::named(&self.context, &self.address.dead_stream()).await
    }
}

/// The first dead letter from this sequence on.
pub(super) async fn after(stream: &Stream, address: &Nats, from: u64) -> Result<Option<Letter>, Error> {
    let subject = format!("{}_dead.>", address.name);
    let message = match stream.get_first_raw_message_by_subject(subject, from).await {
        Ok(message) => message,
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
        Err(error) => return Err(setup::unavailable(error)),
    };
    let headers = Some(&message.headers);
    let micros = |nanos: i128| i64::try_from(nanos / 1000).unwrap_or_default();
    let server = micros(message.time.unix_timestamp_nanos());
    // Either clock may have been behind.
    let writer = header(headers, BURIED).parse().unwrap_or(i64::MIN);
    Ok(Some(Letter {
        number: message.sequence,
        buried: server.max(writer),
        lane: Lane::named(&header(headers, LANE)),
        reason: header(headers, REASON),
        cut_from: header(headers, CUT).parse().ok(),
        event: event(headers, &message.payload),
    }))
}
