//! The journal beside the readings: entries, each with the place of its device at its moment, and with what the sensors
//! said then.
//!
//! Places and readings are found when they are asked for. So readings that come later than an entry put it right.
//!
//! Deliberately not here: writing entries, and the statements that read them (`entry`).

mod formats;
mod http;
mod postgres;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;

use crate::words::Time;
use entry::Entry;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An entry, as this API answers it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: String,
    user: User,
    #[schema(required)]
    device: Option<String>,
    text: String,
    hashtags: Vec<String>,
    /// The moment that it tells of.
    timestamp: Time,
    received_at: Time,
    #[schema(required)]
    edited_at: Option<Time>,
    #[schema(required)]
    place: Option<Place>,
    /// By sensor; only where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    readings: Option<BTreeMap<String, Reading>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct User {
    id: String,
    name: String,
}

/// The place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = PlaceOfMessage)]
struct Place {
    /// Degrees, WGS 84.
    latitude: f64,
    longitude: f64,
    /// When the device was there.
    timestamp: Time,
    source: Source,
}

/// Where the place of an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Source {
    Message,
    Readings,
}

/// The last value of a sensor at an entry's moment, or shortly before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ReadingOfMessage)]
struct Reading {
    value: f64,
    /// Null for a sensor whose unit the platform does not know.
    #[schema(required)]
    unit: Option<&'static str>,
    timestamp: Time,
}

impl Message {
    /// An entry, with no place but its own.
    fn of(entry: Entry) -> Self {
        let timestamp = Time(moment(entry.id.moment()));
        Self {
            id: entry.id.to_string(),
            user: User {
                id: entry.author_id.to_string(),
                name: entry.author,
            },
            device: entry.device,
            text: entry.text,
            hashtags: entry.hashtags,
            timestamp,
            received_at: Time(entry.received),
            edited_at: entry.edited.map(Time),
            place: entry.place.map(|(latitude, longitude)| Place {
                latitude,
                longitude,
                timestamp,
                source: Source::Message,
            }),
            readings: None,
        }
    }
}

/// A moment in milliseconds since 1970, for answers; beyond the calendar, its end.
fn moment(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}
