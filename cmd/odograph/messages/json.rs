//! Events as JSON, in the form that protobuf has for them.

use anyhow::Context;
use bytes::Bytes;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

/// Reads and writes events.
pub(super) struct Events(MessageDescriptor);

/// An encoded event, and its id.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) bytes: Bytes,
}

impl Events {
    pub(super) fn new() -> anyhow::Result<Self> {
        let pool = DescriptorPool::decode(message::SERVICES).context("read the description of the services")?;
        let event = pool.get_message_by_name("pb.CloudEvent");
        Ok(Self(event.context("the description of the services has no events")?))
    }

    /// Reads an event. Field names may be as in the services or in camel case.
    pub(super) fn read(&self, json: &str) -> anyhow::Result<Event> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let event = DynamicMessage::deserialize(self.0.clone(), &mut reader)?;
        reader.end()?;
        let id = event.get_field_by_name("id");
        let id = id.and_then(|id| id.as_str().map(str::to_owned)).unwrap_or_default();
        Ok(Event {
            id,
            bytes: event.encode_to_vec().into(),
        })
    }

    /// Writes an event, in camel case as other tools do.
    pub(super) fn json(&self, bytes: &[u8]) -> anyhow::Result<String> {
        let event = DynamicMessage::decode(self.0.clone(), bytes).context("read an event")?;
        serde_json::to_string(&event).context("write an event as JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_written() {
        let events = Events::new().unwrap();
        let camel = r#"{"id":"1","source":"car","specVersion":"1.0","attributes":{"time":{"ceTimestamp":"2026-04-12T23:20:50.520Z"}},"binaryData":"AAE="}"#;
        let snake = camel
            .replace("specVersion", "spec_version")
            .replace("ceTimestamp", "ce_timestamp");
        for json in [camel, &snake] {
            let event = events.read(json).unwrap();
            assert_eq!(event.id, "1");
            assert_eq!(events.json(&event.bytes).unwrap(), camel);
        }
        for wrong in ["", "[]", "{\"id\":1}", "{\"nothing\":1}", "{}{}"] {
            assert!(events.read(wrong).is_err(), "{wrong}");
        }
    }
}
