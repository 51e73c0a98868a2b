//! Events, as they are sent: written once, for all listeners.

use crate::words::{Time, unit};
use bytes::Bytes;
use serde::Serialize;
use std::sync::Arc;

/// When a client that was cut off tries again, in milliseconds.
const RETRY: u32 = 2_000;

/// The state of a thing.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The thing: a later event of it replaces this one.
    pub(super) key: Arc<str>,
    pub(super) device: Option<Box<str>>,
    pub(super) sensor: Option<Box<str>>,
    /// Whether listeners get it only if it happens while they listen, or after the id that they go on from. The others,
    /// latest values, they get at the beginning.
    pub(super) is_news: bool,
    /// `event: NAME`, `data: JSON` and an empty line.
    pub(super) text: Bytes,
}

/// The latest reading of a series.
#[derive(Debug, Serialize)]
pub(super) struct Latest<'a> {
    pub(super) device: &'a str,
    pub(super) sensor: &'a str,
    pub(super) value: f64,
    pub(super) unit: Option<&'static str>,
    pub(super) timestamp: Time,
}

impl<'a> Latest<'a> {
    pub(super) fn new(device: &'a str, sensor: &'a str, value: f64, timestamp: Time) -> Self {
        Self {
            device,
            sensor,
            value,
            unit: unit(sensor),
            timestamp,
        }
    }

    pub(super) fn event(&self) -> Event {
        Event {
            key: format!("latest {} {}", self.device, self.sensor).into(),
            device: Some(self.device.into()),
            sensor: Some(self.sensor.into()),
            is_news: false,
            text: text("latest", self),
        }
    }
}

/// A day of a device that got readings.
#[derive(Debug, Serialize)]
pub(super) struct Day<'a> {
    pub(super) device: &'a str,
    /// `YYYY-MM-DD`, in UTC.
    pub(super) day: &'a str,
    pub(super) version: i64,
}

impl Day<'_> {
    pub(super) fn event(&self) -> Event {
        Event {
            key: format!("day {} {}", self.device, self.day).into(),
            device: Some(self.device.into()),
            sensor: None,
            is_news: true,
            text: text("day", self),
        }
    }
}

/// An upload whose receipt is complete.
#[derive(Debug, Serialize)]
pub(super) struct Upload {
    pub(super) id: String,
    /// `persisted`, or `failed` where some readings could not be stored.
    pub(super) status: &'static str,
    pub(super) accepted: i64,
    pub(super) rejected: i64,
    pub(super) persisted: i64,
    pub(super) duplicates: i64,
    pub(super) conflicts: i64,
    pub(super) failed: i64,
}

impl Upload {
    pub(super) fn event(&self) -> Event {
        Event {
            key: format!("upload {}", self.id).into(),
            device: None,
            sensor: None,
            is_news: true,
            text: text("upload", self),
        }
    }
}

/// An entry of the journal that was added, edited or deleted.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    pub(super) id: String,
    pub(super) device: Option<&'a str>,
    pub(super) deleted: bool,
    /// When it was edited last; null if it never was.
    pub(super) edited: Option<Time>,
}

impl Entry<'_> {
    pub(super) fn event(&self) -> Event {
        Event {
            key: format!("journal {}", self.id).into(),
            device: self.device.map(Into::into),
            sensor: None,
            is_news: true,
            text: text("journal", self),
        }
    }
}

/// The first event of a connection.
#[derive(Serialize)]
struct Hello {
    time: Time,
}

/// The first event of a connection: the server's time, and when to try again after the connection is lost.
pub(super) fn hello(now: Time) -> Bytes {
    let hello = text("hello", &Hello { time: now });
    [format!("retry: {RETRY}\n").as_bytes(), &hello[..]].concat().into()
}

/// These events; with an id, the last one has it.
pub(super) fn chunk(events: &[Bytes], id: Option<&str>) -> Bytes {
    let length = events.iter().map(Bytes::len).sum::<usize>() + id.map_or(0, |id| id.len() + "id: \n\n".len());
    let mut chunk = Vec::with_capacity(length);
    for (at, event) in events.iter().enumerate() {
        if at + 1 == events.len() {
            add_id(&mut chunk, id);
        }
        chunk.extend_from_slice(event);
    }
    if events.is_empty() {
        add_id(&mut chunk, id);
        chunk.push(b'\n');
    }
    chunk.into()
}

/// A comment that shows that the server is there, and how far the listener has come.
pub(super) fn keep_alive(id: Option<&str>) -> Bytes {
    let mut chunk = b": keep-alive\n".to_vec();
    add_id(&mut chunk, id);
    chunk.push(b'\n');
    chunk.into()
}

fn add_id(chunk: &mut Vec<u8>, id: Option<&str>) {
    if let Some(id) = id {
        chunk.extend_from_slice(b"id: ");
        chunk.extend_from_slice(id.as_bytes());
        chunk.push(b'\n');
    }
}

fn text(name: &str, data: &impl Serialize) -> Bytes {
    // These structures have only what JSON can hold.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_last_event_has_the_id() {
        let time = Time("2024-05-01T12:00:00Z".parse().unwrap());
        let latest = Latest::new("lada", "speed", 1.5, time).event();
        let day = Day {
            device: "lada",
            day: "2024-05-01",
            version: 7,
        };
        let events = [latest.text, day.event().text];
        let expected = "event: latest\ndata: {\"device\":\"lada\",\"sensor\":\"speed\",\"value\":1.5,\"unit\":\"km/h\",\"timestamp\":\"2024-05-01T12:00:00Z\"}\n\n\
            id: 1-2-3:3:\nevent: day\ndata: {\"device\":\"lada\",\"day\":\"2024-05-01\",\"version\":7}\n\n";
        assert_eq!(told(&chunk(&events, Some("1-2-3:3:"))), expected);
        assert_eq!(told(&chunk(&[], Some("x"))), "id: x\n\n");
        assert_eq!(told(&keep_alive(None)), ": keep-alive\n\n");
        assert_eq!(
            told(&hello(time)),
            "retry: 2000\nevent: hello\ndata: {\"time\":\"2024-05-01T12:00:00Z\"}\n\n"
        );
    }
}
