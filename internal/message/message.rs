//! A message: an event as its sender encoded it, and its name.

use crate::proto::pb::CloudEvent;
use crate::proto::pb::cloud_event_attribute_value::Attr;
use bytes::Bytes;
use grpc::status::shown;
use prost::Message as _;
use prost_types::Timestamp;

/// Bytes of an id.
const LONGEST_ID: usize = 256;

/// Bytes of a source.
const LONGEST_SOURCE: usize = 1024;

/// Attributes of a message.
const MOST_ATTRIBUTES: usize = 64;

/// The years that a timestamp may have, 1 to 9999, in seconds since 1970.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The only version of CloudEvents.
const VERSION: &str = "1.0";

/// What a message may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Bytes of a message.
    pub(crate) most_bytes: usize,
    /// All that CloudEvents 1.0 asks for.
    pub(crate) strict: bool,
}

/// A message that may be stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) event: Bytes,
}

/// Why a message can never be stored: the field at fault, such as `id`, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Empty where it is the message as a whole.
    pub(crate) field: String,
    pub(crate) reason: String,
}

fn fault<T>(field: &str, reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault {
        field: field.to_owned(),
        reason: reason.into(),
    })
}

impl Message {
    /// Checks an encoded event.
    ///
    /// # Errors
    /// [`Fault`], the first one found.
    pub(crate) fn of(event: Bytes, rules: Rules) -> Result<Self, Fault> {
        if event.len() > rules.most_bytes {
            let (has, most) = (event.len(), rules.most_bytes);
            return fault("", format!("the message has {has} bytes; at most {most} are stored"));
        }
        // A second handle on the same bytes.
        let Ok(decoded) = CloudEvent::decode(event.clone()) else {
            return fault("", "this is no event as io.cloudevents.v1 has it");
        };
        check(&decoded, rules)?;
        Ok(Self {
            id: decoded.id,
            source: decoded.source,
            event,
        })
    }

    /// Whether two messages of one identity say the same; the order in which they were encoded does not matter.
    pub(crate) fn is_like(&self, event: &[u8]) -> bool {
        self.event == event
            || matches!((CloudEvent::decode(&*self.event), CloudEvent::decode(event)), (Ok(one), Ok(other)) if one == other)
    }
}

fn check(event: &CloudEvent, rules: Rules) -> Result<(), Fault> {
    check_name("id", &event.id, 1..=LONGEST_ID)?;
    check_name("source", &event.source, 0..=LONGEST_SOURCE)?;
    if event.attributes.len() > MOST_ATTRIBUTES {
        return fault("attributes", format!("there are more than {MOST_ATTRIBUTES}"));
    }
    for (name, value) in &event.attributes {
        if let Some(Attr::CeTimestamp(time)) = &value.attr
            && !is_time(time)
        {
            return fault(
                &format!("attributes[{}]", shown(name)),
                "it is no time of the years 1 to 9999",
            );
        }
    }
    if rules.strict { check_strictly(event) } else { Ok(()) }
}

fn check_name(field: &str, name: &str, length: std::ops::RangeInclusive<usize>) -> Result<(), Fault> {
    if !length.contains(&name.len()) {
        let (least, most) = (length.start(), length.end());
        return fault(field, format!("it has {} bytes; write {least} to {most}", name.len()));
    }
    if name.contains('\0') {
        return fault(field, "it holds a NUL character");
    }
    Ok(())
}

/// What CloudEvents 1.0 asks for beyond what is always asked for.
fn check_strictly(event: &CloudEvent) -> Result<(), Fault> {
    if event.source.is_empty() {
        return fault("source", "it is empty");
    }
    if event.r#type.is_empty() {
        return fault("type", "it is empty");
    }
    if event.spec_version != VERSION {
        return fault("spec_version", format!("it is not {VERSION:?}"));
    }
    for (name, value) in &event.attributes {
        let field = format!("attributes[{}]", shown(name));
        let is_named = !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !is_named {
            return fault(&field, "a name has small letters a to z and digits only");
        }
        if ["id", "source", "specversion", "type", "data"].contains(&name.as_str()) {
            return fault(&field, "this is a field of its own");
        }
        match (name.as_str(), &value.attr) {
            (_, None) => return fault(&field, "it has no value"),
            ("time", Some(Attr::CeTimestamp(_))) => {}
            ("time", _) => return fault(&field, "a time is a ce_timestamp"),
            ("subject" | "datacontenttype", Some(Attr::CeString(text))) if !text.is_empty() => {}
            ("subject" | "datacontenttype", _) => return fault(&field, "it is a ce_string that is not empty"),
            ("dataschema", Some(Attr::CeUri(text))) if !text.is_empty() => {}
            ("dataschema", _) => return fault(&field, "it is a ce_uri that is not empty"),
            _ => {}
        }
    }
    Ok(())
}

fn is_time(time: &Timestamp) -> bool {
    SECONDS.contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos)
}

#[cfg(test)]
mod tests;
