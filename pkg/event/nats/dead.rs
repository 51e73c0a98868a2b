//! Draining the stream in which earlier versions kept dead letters, `EVENTS_DEAD`.

use super::{away, connected, event, foreign, header, setup};
use crate::address::Nats;
use crate::{DeadLetter, Error, Lane};
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};

/// Kind of the header of a dead letter's reason.
const REASON: &str = "reason";

/// Header of its lane.
const LANE: &str = "lane";

/// Header of the time since which it is a dead letter, by its publisher's clock, in microseconds since 1970.
const SINCE: &str = "buried";

/// Header of the original bytes of a cut payload.
const CUT: &str = "cut-from";

/// Dead letters read at once, at the most.
const TOGETHER: usize = 256;

/// The dead letters that a bus still holds. Several programs may read and delete them at once.
pub struct DeadLetters {
    context: Context,
    address: Nats,
}

impl DeadLetters {
    pub(super) fn new(context: Context, address: Nats) -> Self {
        Self { context, address }
    }

    /// The oldest dead letters, about `bytes` of them and at least one, if the stream holds any. `None`: the
    /// bus has no such stream.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: try again.
    pub async fn oldest(&self, bytes: usize) -> Result<Option<Vec<DeadLetter>>, Error> {
        let Some(stream) = self.stream().await? else {
            return Ok(None);
        };
        let state = &stream.cached_info().state;
        let (mut letters, mut taken) = (Vec::new(), 0);
        if state.messages == 0 {
            return Ok(Some(letters));
        }
        let mut from = state.first_sequence;
        while taken < bytes && letters.len() < TOGETHER {
            let Some(letter) = self.first(&stream, from).await? else {
                break;
            };
            from = letter.number + 1;
            taken += letter.event.payload.len() + 512;
            letters.push(letter);
        }
        Ok(Some(letters))
    }

    /// Deletes the dead letter of this number and all before it.
    ///
    /// # Errors
    /// As [`DeadLetters::oldest`].
    pub async fn delete_up_to(&self, number: u64) -> Result<(), Error> {
        if let Some(stream) = self.stream().await? {
            let purging = stream.purge().sequence(number.saturating_add(1));
            purging.await.map_err(setup::unavailable)?;
        }
        Ok(())
    }

    async fn stream(&self) -> Result<Option<Stream>, Error> {
        if !connected(&self.context) {
            return Err(away(&self.address));
        }
        setup::find(&self.context, &self.address.dead_stream()).await
    }

    /// The first dead letter from this sequence on.
    async fn first(&self, stream: &Stream, from: u64) -> Result<Option<DeadLetter>, Error> {
        let subject = format!("{}_dead.>", self.address.name);
        let message = match stream.get_first_raw_message_by_subject(subject, from).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(setup::unavailable(error)),
        };
        let headers = Some(&message.headers);
        let names = self.address.names;
        let told = |kind| header(headers, &names.header(kind));
        let server = i64::try_from(message.time.unix_timestamp_nanos() / 1000).unwrap_or_default();
        // Either clock may have been behind.
        let writer = told(SINCE).parse().unwrap_or(i64::MIN);
        let place = || format!("{}:{}:{server}", self.address.dead_stream(), message.sequence);
        Ok(Some(DeadLetter {
            number: message.sequence,
            since: server.max(writer),
            lane: Lane::named(&told(LANE)),
            reason: told(REASON),
            cut_from: told(CUT).parse().ok(),
            headers: foreign(headers, names),
            event: event(headers, &message.payload, place),
        }))
    }
}
