//! A message as a publisher sends it, in either of its two forms.

use super::members::{Members, NoMembers};
use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Largest body of a request, in bytes.
pub const LARGEST: usize = 64 * 1024;

/// Arrays and objects within one another. `serde_json` reads 127; a message is wrapped where it is sent.
const DEEPEST: usize = 100;

/// Digits that the exponents of all numbers add, when PostgreSQL writes the numbers out.
const MOST_DIGITS: u32 = 64 * 1024;

/// Longest key, in bytes.
const LONGEST_KEY: usize = 256;

/// Names that are not part of the data.
const APART: [&str; 4] = ["topic", "id", "key", "author"];

/// Names that mean something to us, and are stored in lower case.
const KNOWN: [&str; 5] = ["body", "headers", "query_params", "path_params", "http_method"];

/// A message that can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 1 to 128 of `A-Z a-z 0-9 . _ -`; never one of ours.
    pub topic: String,
    /// What the publisher chose: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub id: Option<String>,
    /// Messages of one key are sent in order.
    pub key: Option<String>,
    /// All other members, as one JSON object. Numbers have the digits that the publisher wrote.
    pub data: String,
}

/// Why a body is no message. The texts are for the publisher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Send something else.
    #[error("{0}")]
    Content(String),
    /// The topic is one of ours.
    #[error("Topics that begin with \"odograph.\" belong to Odograph; choose another topic.")]
    Reserved,
}

impl Message {
    /// Parses a body: `{"topic":"t1","payload":"BASE64-JSON"}`, or the members themselves.
    ///
    /// # Errors
    /// [`Invalid`], with a sentence for the publisher.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let mut outer = Members::parse(body).map_err(|error| no_object("body", &error))?;
        let payload = outer.0.remove("payload");
        let payload = payload.map(|payload| decode(payload.json)).transpose()?;
        if let Some(payload) = &payload {
            let inner = Members::parse(payload).map_err(|error| no_object("payload", &error))?;
            if inner.0.contains_key("payload") {
                return refuse("A payload cannot hold another payload.");
            }
            for (name, member) in inner.0 {
                let beside = outer.0.insert(name, member.clone());
                if beside.is_some_and(|beside| beside.json != member.json) {
                    return refuse(format!(
                        "The member {:?} differs inside and beside the payload; send it once.",
                        shown(&member.name)
                    ));
                }
            }
        }
        let members = outer;
        let topic = topic(&members)?;
        let id = text(&members, "id")?;
        let is_id = |id: &String| is_name(id, 64, b"_-");
        if !id.as_ref().is_none_or(is_id) {
            return refuse(
                "An id has 1 to 64 letters, digits, \"_\" and \"-\"; without one, the answer names the id that was made.",
            );
        }
        let key = text(&members, "key")?.filter(|key| !key.is_empty());
        if key
            .as_ref()
            .is_some_and(|key| key.len() > LONGEST_KEY || key.contains('\0'))
        {
            return refuse("A key has at most 256 bytes, and no NUL character.");
        }
        let data = data(&members);
        check(&data)?;
        check_kinds(&members)?;
        Ok(Self { topic, id, key, data })
    }
}

fn refuse<T>(sentence: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid::Content(sentence.into()))
}

fn no_object(what: &str, error: &NoMembers) -> Invalid {
    Invalid::Content(match error {
        NoMembers::NoObject(line, column) => {
            format!("The {what} is not one JSON object: look at line {line}, column {column}.")
        }
        NoMembers::Twice(name) => format!(
            "The {what} has the member {:?} twice, in any case; send it once.",
            shown(name)
        ),
    })
}

/// A name in an answer, cut where it is long.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Decodes base64 of either alphabet, padded or not.
fn decode(json: &str) -> Result<Vec<u8>, Invalid> {
    let wrong =
        || Invalid::Content("The payload is not a text of base64; encode the message's JSON with base64.".to_owned());
    let text: String = serde_json::from_str(json).map_err(|_| wrong())?;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decode = |alphabet: &Alphabet| GeneralPurpose::new(alphabet, config).decode(&text);
    decode(&STANDARD).or_else(|_| decode(&URL_SAFE)).map_err(|_| wrong())
}

fn topic(members: &Members<'_>) -> Result<String, Invalid> {
    let Some(topic) = text(members, "topic")? else {
        return refuse("The message names no topic; add \"topic\".");
    };
    if !is_name(&topic, 128, b"._-") {
        return refuse("A topic has 1 to 128 letters, digits, \".\", \"_\" and \"-\".");
    }
    if topic.to_ascii_lowercase().starts_with("odograph.") {
        return Err(Invalid::Reserved);
    }
    Ok(topic)
}

/// A member that is a text; none where it is missing or null.
fn text(members: &Members<'_>, name: &str) -> Result<Option<String>, Invalid> {
    let text = members.get(name);
    text.map_err(|_| Invalid::Content(format!("The member {name:?} is not a text.")))
}

fn is_name(name: &str, longest: usize, more: &[u8]) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || more.contains(&c);
    (1..=longest).contains(&name.len()) && name.bytes().all(allowed)
}

/// Writes what is stored.
fn data(members: &Members<'_>) -> String {
    let mut data = String::from("{");
    for (known, member) in &members.0 {
        if APART.contains(&known.as_str()) {
            continue;
        }
        let name = if KNOWN.contains(&known.as_str()) {
            known
        } else {
            &member.name
        };
        let comma = if data.len() > 1 { "," } else { "" };
        // Writing to a string never fails.
        let _ = write!(data, "{comma}{}:{}", Value::from(name.as_str()), member.json);
    }
    data.push('}');
    data
}

/// Refuses what the database could not store, or the notifier not read again.
fn check(data: &str) -> Result<(), Invalid> {
    let (depth, digits) = measure(data);
    if depth > DEEPEST {
        return refuse(format!("The message is nested more than {DEEPEST} levels deep."));
    }
    if digits > MOST_DIGITS {
        return refuse("Numbers of the message have exponents that are too large.");
    }
    let Ok(value) = serde_json::from_str::<Value>(data) else {
        return refuse("The message has a number that is out of range, or a text with half of a surrogate pair.");
    };
    if has_nul(&value) {
        return refuse("A text of the message has a NUL character (\\u0000), which cannot be stored.");
    }
    Ok(())
}

/// The depth of JSON, and the sum of all exponents, whatever their signs.
fn measure(json: &str) -> (usize, u32) {
    let (mut depth, mut deepest, mut digits) = (0_usize, 0, 0_u32);
    let mut bytes = json.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'0'..=b'9' => {
                while bytes.next_if(|byte| matches!(byte, b'0'..=b'9' | b'.')).is_some() {}
                if bytes.next_if(u8::is_ascii_alphabetic).is_some() {
                    let _sign = bytes.next_if(|byte| matches!(byte, b'+' | b'-'));
                    let mut exponent = 0_u32;
                    while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
                        exponent = exponent.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
                    }
                    digits = digits.saturating_add(exponent);
                }
            }
            _ => {}
        }
    }
    (deepest, digits)
}

/// Depth is bounded before.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Refuses members of a described request that cannot be sent as one.
fn check_kinds(members: &Members<'_>) -> Result<(), Invalid> {
    for name in ["headers", "query_params", "path_params"] {
        if members.get::<BTreeMap<String, Value>>(name).is_err() {
            return refuse(format!("The member {name:?} is not an object."));
        }
    }
    let method = text(members, "http_method")?;
    // Clients of the forerunner send empty members.
    if !method.is_none_or(|method| method.is_empty() || is_name(&method, 32, b"-")) {
        return refuse("The member \"http_method\" is not a method such as \"POST\".");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
