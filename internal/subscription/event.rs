//! An event: what the notifier sends, and under which id.

use crate::judge::{Firing, Kind};
use crate::subscription::Subscription;
use filter::Value;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use store::Timestamptz as Instant;
use uuid::Uuid;

/// An event whose moment is longer ago is late.
const LATE: i64 = 5 * 60 * 1_000_000;

/// A row of `delivery`, but for its number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) subscription: Uuid,
    /// The same for the same event in retries, redrives and replays.
    pub(crate) id: Uuid,
    pub(crate) key: Option<String>,
    pub(crate) kind: String,
    /// Microseconds since 1970.
    pub(crate) moment: i64,
    pub(crate) data: serde_json::Value,
}

impl Event {
    /// The event of a firing. `now` in microseconds since 1970.
    pub(crate) fn of_reading(subscription: &Subscription, device: &str, firing: &Firing, now: i64) -> Self {
        let mut name = Vec::new();
        name.extend(subscription.id.as_bytes());
        name.extend(subscription.rule.to_be_bytes());
        name.extend(firing.moment.to_be_bytes());
        name.extend(firing.kind.name().as_bytes());
        name.push(0);
        name.extend(device.as_bytes());
        let data = json!({
            "subscription": subscription.name,
            "device": device,
            "state": state(&firing.state),
            "since": text(firing.since),
            "values": firing.values,
            "late": now - firing.moment > LATE,
        });
        Self {
            subscription: subscription.id,
            id: named(&name),
            key: Some(device.to_owned()),
            kind: kind(firing.kind),
            moment: firing.moment,
            data,
        }
    }
}

/// Events as the columns of `unnest`.
pub(crate) struct Columns<'a> {
    pub(crate) subscriptions: Vec<Uuid>,
    pub(crate) ids: Vec<Uuid>,
    pub(crate) keys: Vec<Option<&'a str>>,
    pub(crate) kinds: Vec<&'a str>,
    pub(crate) moments: Vec<Instant>,
    pub(crate) data: Vec<&'a serde_json::Value>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(events: &'a [Event]) -> Self {
        Self {
            subscriptions: events.iter().map(|event| event.subscription).collect(),
            ids: events.iter().map(|event| event.id).collect(),
            keys: events.iter().map(|event| event.key.as_deref()).collect(),
            kinds: events.iter().map(|event| event.kind.as_str()).collect(),
            moments: events.iter().map(|event| Instant(event.moment)).collect(),
            data: events.iter().map(|event| &event.data).collect(),
        }
    }
}

/// The data of an event of readings that was not queued, made anew. When its run began is not looked for: `since` is its
/// moment.
pub(crate) fn data_of_gap(
    subscription: &Subscription,
    event: &Event,
    values: BTreeMap<String, f64>,
    now: i64,
) -> serde_json::Value {
    let kind = kind_of_reading(&event.kind);
    let firing = Firing {
        kind: kind.unwrap_or(Kind::Rise),
        moment: event.moment,
        state: match kind {
            Some(Kind::Fall) => Value::Bool(false),
            Some(Kind::Change) | None => Value::Null,
            Some(Kind::Rise | Kind::Each | Kind::Quiet) => Value::Bool(true),
        },
        since: event.moment,
        values,
    };
    let device = event.key.as_deref().unwrap_or_default();
    Event::of_reading(subscription, device, &firing, now).data
}

/// Of an event of readings, by its type: its kind.
pub(crate) fn kind_of_reading(kind: &str) -> Option<Kind> {
    Kind::of(kind.strip_prefix("odograph.reading.")?.strip_suffix(".v1")?)
}

/// The type of an event of readings: `odograph.reading.rise.v1`.
pub(crate) fn kind(kind: Kind) -> String {
    format!("odograph.reading.{}.v1", kind.name())
}

/// The id of what has this name: a `UUIDv8` of its SHA-256.
pub(crate) fn named(name: &[u8]) -> Uuid {
    let digest = ring::digest::digest(&ring::digest::SHA256, name);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}

fn state(state: &Value) -> serde_json::Value {
    match state {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Uint(value) => json!(value),
        Value::Double(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::Null | Value::Other => serde_json::Value::Null,
    }
}

pub(crate) fn text(time: i64) -> String {
    Timestamp::from_microsecond(time).map_or_else(|_| String::new(), |time| time.to_string())
}
