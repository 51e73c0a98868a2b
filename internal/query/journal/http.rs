//! `GET /api/journal`, `/api/journal/{id}`, `/api/journal/trends`, `/api/journal/hashtags`.

use super::{Message, Place, Source, formats, moment, postgres};
use crate::words::places::{self, Asked};
use crate::words::{Database, Device, Ends, Time, When, Zone, problem};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use entry::{Aggregation, Buckets, Entry, Fill, Filter, Found, Id, Reader};
use jiff::Timestamp;
use reading::time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use web::{Parameters, Problem, wrong};

/// Entries of a page, unless the client says how many; at the most; and with readings.
const LIMIT: usize = 100;
const MOST: usize = 1000;
const MOST_WITH_READINGS: usize = 100;

/// Most readings of an answer. Bounds its memory.
const MOST_READINGS: usize = 50_000;

/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

/// The routes of this question.
///
/// `pairing` is the longest time between the two readings of one place, `reach` how long before an entry's moment its
/// device may have been there.
pub(crate) fn routes(database: Database, pairing: Duration, reach: Duration) -> Router {
    Router::new()
        .route("/api/journal", get(messages))
        .route("/api/journal/trends", get(trends))
        .route("/api/journal/hashtags", get(hashtags))
        .route("/api/journal/{id}", get(message))
        .with_state(JournalState {
            reader: Reader::new(database.clone()),
            database,
            pairing: time::micros(pairing),
            reach: time::micros(reach),
        })
}

#[derive(Clone)]
struct JournalState {
    reader: Reader,
    database: Database,
    /// In microseconds.
    pairing: i64,
    reach: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum With {
    Readings,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Geojson,
    Gpx,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JournalOf {
    from: Option<When>,
    to: Option<When>,
    #[serde(default)]
    tz: Zone,
    #[serde(default)]
    device: Vec<Device>,
    #[serde(default)]
    user: Vec<String>,
    #[serde(default)]
    hashtag: Vec<String>,
    #[serde(default)]
    any_hashtag: Vec<String>,
    q: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    with: Option<With>,
    #[serde(default)]
    format: Format,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    messages: Vec<Message>,
    next_cursor: Option<String>,
}

async fn messages(
    State(journal): State<JournalState>,
    Parameters(of): Parameters<JournalOf>,
    uri: Uri,
) -> Result<Response, Problem> {
    let most = if of.with.is_some() { MOST_WITH_READINGS } else { MOST };
    let limit = of.limit.unwrap_or(LIMIT);
    if !(1..=most).contains(&limit) {
        return Err(wrong("limit", format!("write a number from 1 to {most}")));
    }
    let cursor = of.cursor.as_deref().map(str::parse::<Id>).transpose();
    let cursor = cursor.map_err(|error| wrong("cursor", error))?;
    let ends = Ends::of(of.from, of.to, &of.tz)?;
    let filter = Filter {
        since: ends.from.map(milliseconds),
        before: ends.to.map(milliseconds),
        authors: of.user,
        devices: of.device.iter().map(|device| device.as_str().to_owned()).collect(),
        all: of.hashtag,
        any: of.any_hashtag,
        words: of.q,
    };
    let filter = filter.checked().map_err(|(name, reason)| wrong(name, reason))?;
    let found = journal.reader.page(&filter, cursor, limit).await.map_err(problem)?;
    let next_cursor = found.next.map(|next| next.to_string());
    let entries = found.entries;
    let messages = journal.told(entries, of.with).await?;
    let mut response = match of.format {
        Format::Json => return Ok(Json(Page { messages, next_cursor }).into_response()),
        Format::Geojson => formats::geojson(&messages),
        Format::Gpx => formats::gpx(&messages),
    };
    if let Some(link) = next_cursor.and_then(|cursor| formats::next(&uri, &cursor)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

#[derive(Deserialize)]
struct OneOf {
    with: Option<With>,
}

async fn message(
    State(journal): State<JournalState>,
    Path(id): Path<String>,
    Parameters(of): Parameters<OneOf>,
) -> Result<Response, Problem> {
    let id: Id = id.parse().map_err(|error| wrong("id", error))?;
    let entries = match journal.reader.find(id).await.map_err(problem)? {
        Found::Entry(entry) => vec![*entry],
        Found::Deleted => return Err(Problem::new(StatusCode::GONE, "This entry was deleted.")),
        Found::Nothing => return Err(Problem::new(StatusCode::NOT_FOUND, "There is no entry with this id.")),
    };
    let message = journal.told(entries, of.with).await?.into_iter().next();
    Ok(Json(message).into_response())
}

impl JournalState {
    /// Entries with their places, and with readings if they are asked for.
    async fn told(&self, entries: Vec<Entry>, with: Option<With>) -> Result<Vec<Message>, Problem> {
        let mut messages: Vec<Message> = entries.into_iter().map(Message::of).collect();
        let without: Vec<usize> = (0..messages.len()).filter(|at| messages[*at].place.is_none()).collect();
        let asked: Vec<(usize, Asked<'_>)> = without
            .iter()
            .filter_map(|at| {
                let device = messages[*at].device.as_deref()?;
                let moment = messages[*at].timestamp.0.as_microsecond();
                Some((*at, Asked { device, moment }))
            })
            .collect();
        let (of, asked): (Vec<usize>, Vec<Asked<'_>>) = asked.into_iter().unzip();
        let found = places::at(&self.database, &asked, self.pairing, self.reach)
            .await
            .map_err(problem)?;
        for (at, pair) in of.into_iter().zip(found) {
            messages[at].place = pair.map(|pair| Place {
                latitude: pair.latitude,
                longitude: pair.longitude,
                timestamp: Time(places::timestamp(pair.time)),
                source: Source::Readings,
            });
        }
        if with.is_some() {
            self.add_readings(&mut messages).await?;
        }
        Ok(messages)
    }

    async fn add_readings(&self, messages: &mut [Message]) -> Result<(), Problem> {
        let mut of = Vec::new();
        let mut asked = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            if let Some(device) = &message.device {
                of.push(at);
                asked.push((device.clone(), message.timestamp.0));
            }
        }
        let asked: Vec<_> = asked
            .iter()
            .map(|(device, moment)| (device.as_str(), *moment))
            .collect();
        let readings = postgres::readings(&self.database, &asked, self.reach, MOST_READINGS + 1)
            .await
            .map_err(problem)?;
        if readings.len() > MOST_READINGS {
            return Err(wrong(
                "limit",
                format!("these have more than {MOST_READINGS} readings; ask for fewer"),
            ));
        }
        for message in messages.iter_mut() {
            message.readings = Some(BTreeMap::new());
        }
        for (place, sensor, reading) in readings {
            if let Some(readings) = of.get(place).and_then(|at| messages[*at].readings.as_mut()) {
                readings.insert(sensor, reading);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct TrendOf {
    aggregation: Aggregation,
    from: Option<When>,
    to: Option<When>,
    #[serde(default)]
    tz: Zone,
    #[serde(default)]
    hashtag: Vec<String>,
    #[serde(default)]
    fill: Fill,
}

#[derive(Serialize)]
struct Bucket {
    from: Time,
    to: Time,
    count: i64,
}

async fn trends(State(journal): State<JournalState>, Parameters(of): Parameters<TrendOf>) -> Result<Response, Problem> {
    let ends = Ends::of(of.from, of.to, &of.tz)?;
    let to = milliseconds(ends.to.unwrap_or(ends.now));
    let from = ends.from.map_or(to - DAY, milliseconds);
    let buckets = Buckets::new(from, to, of.aggregation.minutes());
    let buckets = buckets.map_err(|error| Problem::bad_request(error.to_string().replace("_date", "")))?;
    let filter = Filter {
        all: of.hashtag,
        ..Filter::default()
    };
    let filter = filter.checked().map_err(|(name, reason)| wrong(name, reason))?;
    let counted = journal.reader.trend(&filter, buckets, of.fill).await.map_err(problem)?;
    let trends: Vec<Bucket> = counted
        .into_iter()
        .map(|(from, to, count)| Bucket {
            from: Time(moment(from)),
            to: Time(moment(to)),
            count,
        })
        .collect();
    Ok(Json(serde_json::json!({ "trends": trends })).into_response())
}

#[derive(Deserialize)]
struct HashtagsOf {
    from: Option<When>,
    to: Option<When>,
    #[serde(default)]
    tz: Zone,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Hashtag {
    /// As it is compared.
    name: String,
    /// As it was last written.
    hashtag: String,
    count: i64,
}

async fn hashtags(
    State(journal): State<JournalState>,
    Parameters(of): Parameters<HashtagsOf>,
) -> Result<Response, Problem> {
    let limit = of.limit.unwrap_or(LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(wrong("limit", format!("write a number from 1 to {MOST}")));
    }
    let ends = Ends::of(of.from, of.to, &of.tz)?;
    let filter = Filter {
        since: ends.from.map(milliseconds),
        before: ends.to.map(milliseconds),
        ..Filter::default()
    };
    let used = journal.reader.hashtags(&filter, limit).await.map_err(problem)?;
    let used: Vec<Hashtag> = used
        .into_iter()
        .map(|used| Hashtag {
            name: used.name,
            hashtag: used.spelling,
            count: used.entries,
        })
        .collect();
    Ok(Json(serde_json::json!({ "hashtags": used })).into_response())
}

/// Milliseconds since 1970, of which entries have whole ones: no entry is between them and the moment.
fn milliseconds(moment: Timestamp) -> i64 {
    let microseconds = moment.as_microsecond();
    microseconds.div_euclid(1000) + i64::from(microseconds.rem_euclid(1000) != 0)
}
