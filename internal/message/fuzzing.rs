//! What `fuzz/` reaches: a put without a store.

use crate::calls::checked;
use crate::message::{Message, Rules};
use crate::options::Options;
use crate::proto::messages::PutBatchRequest;
use crate::proto::pb::CloudEvent;
use bytes::Bytes;
use prost::Message as _;

/// A message that would be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// The event as it came.
    pub event: Vec<u8>,
    /// The event decoded and encoded again, as another client may send it.
    pub again: Vec<u8>,
}

/// What a server would store of an encoded `PutBatchRequest`.
///
/// # Errors
/// The text of the status.
pub fn parse(request: &[u8], strict: bool) -> Result<Vec<Parsed>, String> {
    let Ok(request) = PutBatchRequest::decode(request) else {
        return Err("The request is no message of this service.".to_owned());
    };
    let rules = Rules {
        most_bytes: Options::default().max_message,
        strict,
    };
    let messages = checked(request.msgs, rules).map_err(|status| status.message().to_owned())?;
    Ok(messages.into_iter().map(parsed).collect())
}

fn parsed(message: Message) -> Parsed {
    let again = CloudEvent::decode(&*message.event).map(|event| event.encode_to_vec());
    Parsed {
        id: message.id,
        source: message.source,
        event: message.event.to_vec(),
        again: again.unwrap_or_default(),
    }
}

/// Whether the same identity may have both events.
#[must_use]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    let message = Message {
        id: String::new(),
        source: String::new(),
        event: Bytes::copy_from_slice(one),
    };
    message.is_like(other)
}
