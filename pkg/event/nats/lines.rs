//! Rejected lines are dead letters of another kind: nobody was told that they are accepted. They share
//! a stream with messages that were, and whoever sends enough of them could push those out. So they
//! have a subject of their own, and make room among themselves.

use super::setup;
use crate::Error;
use crate::address::Nats;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use std::sync::atomic::{AtomicU64, Ordering};

/// A sixteenth of the stream may be filled between two looks at it.
const LOOKS: u64 = 16;

/// Above half of the stream, the oldest lines go.
const SHARE: u64 = 2;

/// Each round drops the older half of them.
const ROUNDS: usize = 64;

/// Where rejected lines go.
pub(super) fn subject(address: &Nats) -> String {
    format!("{}_dead.lines", address.name)
}

/// How many bytes of lines a writer has sent since it looked at the stream.
#[derive(Debug)]
pub(super) struct Bound {
    left: AtomicU64,
}

impl Default for Bound {
    /// The first lines are reason to look.
    fn default() -> Self {
        Self {
            left: AtomicU64::new(0),
        }
    }
}

impl Bound {
    /// Before so many bytes of lines are sent: looks at the stream where it is time to, and makes
    /// room in it.
    pub(super) async fn admit(&self, context: &Context, address: &Nats, bytes: usize) -> Result<(), Error> {
        let bytes = bytes as u64;
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        if taken.is_ok() {
            return Ok(());
        }
        let max = make_room(context, address).await?;
        self.left.store((max / LOOKS).saturating_sub(bytes), Ordering::Relaxed);
        Ok(())
    }
}

/// Drops the oldest lines while the stream is more than half full; how many bytes it may hold.
async fn make_room(context: &Context, address: &Nats) -> Result<u64, Error> {
    let mut dropped = 0;
    let mut max = u64::MAX;
    for _ in 0..ROUNDS {
        let stream = match setup::named(context, &address.dead_stream()).await {
            // Whoever publishes to it finds out, and has it made.
            Err(Error::Refused(_)) => return Ok(0),
            stream => stream?,
        };
        let info = stream.cached_info();
        max = u64::try_from(info.config.max_bytes)
            .ok()
            .filter(|max| *max > 0)
            .unwrap_or(u64::MAX);
        if info.state.bytes <= max / SHARE {
            break;
        }
        let Some((first, last)) = span(&stream, &subject(address), info.state.first_sequence).await? else {
            break;
        };
        let middle = first + (last - first) / 2;
        let purging = stream.purge().sequence(middle + 1).filter(subject(address));
        dropped += purging.await.map_err(setup::unavailable)?.purged;
    }
    if dropped > 0 {
        tracing::warn!(
            events = dropped,
            "dropped the oldest rejected lines, so that they push out no message that could not be stored"
        );
    }
    Ok(max)
}

/// The first and the last sequence of a subject.
async fn span(stream: &Stream, subject: &str, from: u64) -> Result<Option<(u64, u64)>, Error> {
    let first = match stream.get_first_raw_message_by_subject(subject, from).await {
        Ok(message) => message.sequence,
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
        Err(error) => return Err(setup::unavailable(error)),
    };
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some((first, message.sequence.max(first)))),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(setup::unavailable(error)),
    }
}
