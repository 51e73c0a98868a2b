//! Rejected lines are dead letters of another kind: nobody was told that they are accepted. They share
//! a stream with messages that were, and whoever sends enough of them could push those out. So they
//! have a subject of their own, and make room among themselves.

use super::{TIMEOUT, setup};
use crate::Error;
use crate::address::Nats;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Beside its payload, what a dead letter takes of the stream, about.
const OVERHEAD: u64 = 512;

/// While the stream is more than half full, the oldest lines go.
const SHARE: u64 = 2;

/// In eighths of the stream: beyond, no lines are kept.
const CEILING: u64 = 7;

/// A sixteenth of the stream may be filled between two looks at it, or a quarter of what is left below
/// the ceiling: several writers look by themselves.
const LOOKS: u64 = 16;
const PART: u64 = 4;

/// Each round drops the older half of the lines.
const ROUNDS: usize = 64;

/// Where rejected lines go.
pub(super) fn subject(address: &Nats) -> String {
    format!("{}_dead.lines", address.name)
}

/// How many bytes of lines a writer may still send before it looks at the stream again.
#[derive(Debug)]
pub(super) struct Bound(Mutex<u64>);

impl Bound {
    /// For a writer that brings new lines.
    pub(super) fn new() -> Self {
        Self(Mutex::new(0))
    }

    /// For a writer whose lines take the place of some that are there.
    pub(super) fn none() -> Self {
        Self(Mutex::new(u64::MAX))
    }

    /// Whether so many bytes of lines may be sent; looks at the stream where it is time to, and makes
    /// room in it.
    pub(super) async fn admit(&self, context: &Context, address: &Nats, bytes: usize) -> Result<bool, Error> {
        let bytes = bytes as u64 + OVERHEAD;
        let admitting = async {
            let mut left = self.0.lock().await;
            if let Some(rest) = left.checked_sub(bytes) {
                *left = rest;
                return Ok(true);
            }
            let room = make_room(context, address).await?;
            *left = room.allowance.saturating_sub(bytes);
            Ok(bytes <= room.below_ceiling)
        };
        let admitted = timeout(TIMEOUT, admitting).await;
        let admitted = admitted.map_err(|_| slow())??;
        if !admitted {
            tracing::warn!(
                "the dead letters are full of messages that could not be stored; rejected lines are not kept"
            );
        }
        Ok(admitted)
    }
}

/// Before a message is buried: where the stream is more than half full, lines go first.
pub(super) async fn give_way(context: &Context, address: &Nats) -> Result<(), Error> {
    let giving_way = timeout(TIMEOUT, make_room(context, address)).await;
    giving_way.map_err(|_| slow())??;
    Ok(())
}

fn slow() -> Error {
    Error::Unavailable("looking at the dead letters took too long".into())
}

/// What the stream has left for lines.
#[derive(Clone, Copy)]
struct Room {
    allowance: u64,
    below_ceiling: u64,
}

/// Drops the oldest lines while the stream is more than half full.
async fn make_room(context: &Context, address: &Nats) -> Result<Room, Error> {
    let mut dropped = 0;
    let mut room = Room {
        allowance: 0,
        below_ceiling: u64::MAX,
    };
    for _ in 0..ROUNDS {
        let stream = match setup::named(context, &address.dead_stream()).await {
            // Whoever publishes to it finds out, and has it made.
            Err(Error::Refused(_)) => return Ok(room),
            stream => stream?,
        };
        let info = stream.cached_info();
        let max = setup::max_bytes(info).unwrap_or(u64::MAX);
        room.below_ceiling = (max / 8 * CEILING).saturating_sub(info.state.bytes);
        room.allowance = (max / LOOKS).min(room.below_ceiling / PART);
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
    Ok(room)
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
