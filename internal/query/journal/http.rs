//! `GET /api/journal`, `/api/journal/{id}`, `/api/journal/trends`, `/api/journal/hashtags`.

use super::{Message, Place, Source, formats, moment, postgres};
use crate::words::page::limit;
use crate::words::places::{self, Asked};
use crate::words::{Database, Device, Ends, Failure, Format, Time, When, Zone, problem};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use entry::{Aggregation, Buckets, Entry, Fill, Filter, Found, Id, Reader};
use jiff::Timestamp;
use reading::time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
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
pub(crate) fn routes(database: Database, pairing: Duration, reach: Duration) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(messages))
        .routes(routes!(trends))
        .routes(routes!(hashtags))
        .routes(routes!(message))
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum With {
    Readings,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct JournalOf {
    /// The first moment of the span.
    #[param(inline)]
    from: Option<When>,
    /// The first moment after the span.
    #[param(inline)]
    to: Option<When>,
    /// The zone in which dates begin; UTC without it.
    #[serde(default)]
    #[param(inline)]
    tz: Zone,
    /// Entries of this device; may be given several times, for any of them.
    #[serde(default)]
    #[param(inline)]
    device: Vec<Device>,
    /// Entries of the user of this name; may be given several times, for any of them.
    #[serde(default)]
    user: Vec<String>,
    /// Entries with this hashtag; may be given several times, for all of them.
    #[serde(default)]
    hashtag: Vec<String>,
    /// Entries with any of these hashtags.
    #[serde(default)]
    any_hashtag: Vec<String>,
    /// Entries with these words.
    q: Option<String>,
    /// Entries of a page; 100 without it, and 100 at the most with readings.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before; the first page without it.
    cursor: Option<String>,
    /// Adds the last values of the device's sensors.
    #[param(inline)]
    with: Option<With>,
    /// The form of the answer; `json` without it.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Messages)]
struct Page {
    /// The latest first.
    messages: Vec<Message>,
    /// Leads to the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// An entry, for the description of the API.
fn example() -> serde_json::Value {
    serde_json::json!({
        "id": "01F0000000Q8ZJ3D8V4N6X7K2M",
        "user": {"id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "name": "ivana"},
        "device": "lada",
        "text": "Coffee by the sea #istria",
        "hashtags": ["istria"],
        "timestamp": "2021-02-28T10:00:00Z",
        "receivedAt": "2021-02-28T10:00:01.123456Z",
        "editedAt": null,
        "place": {
            "latitude": 45.23078,
            "longitude": 13.612699,
            "timestamp": "2021-02-28T09:59:58Z",
            "source": "readings"
        }
    })
}

/// Entries of the journal, the latest first, each with the place of its device.
///
/// GeoJSON and GPX have the next page in the header `Link`.
#[utoipa::path(
    get,
    path = "/api/journal",
    operation_id = "messages",
    tag = "journal",
    params(JournalOf),
    responses((
        status = 200,
        description = "A page of entries.",
        content(
            (Page = "application/json", example = json!({"messages": [example()], "nextCursor": null})),
            (Object = "application/geo+json", example = json!({"type": "FeatureCollection", "features": []})),
            (String = "application/gpx+xml", example = "<gpx version=\"1.1\" creator=\"Odograph\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n</gpx>\n")
        )
    ))
)]
async fn messages(
    State(journal): State<JournalState>,
    Parameters(of): Parameters<JournalOf>,
    uri: Uri,
) -> Result<Response, Problem> {
    let most = if of.with.is_some() { MOST_WITH_READINGS } else { MOST };
    let limit = limit(of.limit, LIMIT, most)?;
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

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OneOf {
    /// Adds the last values of the device's sensors.
    #[param(inline)]
    with: Option<With>,
}

/// One entry of the journal.
#[utoipa::path(
    get,
    path = "/api/journal/{id}",
    operation_id = "message",
    tag = "journal",
    params(
        ("id" = String, Path, description = "The id of the entry.", pattern = "^[0-7][0-9A-Za-z]{25}$", example = "01F0000000Q8ZJ3D8V4N6X7K2M"),
        OneOf
    ),
    responses(
        (status = 200, description = "The entry.", body = Message, example = json!(example())),
        (
            status = 404,
            description = "There is no such entry.",
            body = Failure,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no entry with this id."})
        ),
        (
            status = 410,
            description = "The entry was deleted.",
            body = Failure,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Gone", "status": 410, "detail": "This entry was deleted."})
        )
    )
)]
async fn message(
    State(journal): State<JournalState>,
    path: Result<Path<String>, PathRejection>,
    Parameters(of): Parameters<OneOf>,
) -> Result<Response, Problem> {
    let Path(id) = path.map_err(|_| Problem::bad_request("the path is not UTF-8 once it is percent-decoded"))?;
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
                format!("these entries have more than {MOST_READINGS} readings; ask for fewer entries"),
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

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct TrendOf {
    /// The width of a bucket: whole minutes, hours or days, such as `15m`, `1h` or `1d`.
    #[param(value_type = String, example = "1h")]
    aggregation: Aggregation,
    /// The first moment of the span; a day before `to` without it.
    #[param(inline)]
    from: Option<When>,
    /// The first moment after the span; now without it.
    #[param(inline)]
    to: Option<When>,
    /// The zone in which dates begin; UTC without it.
    #[serde(default)]
    #[param(inline)]
    tz: Zone,
    /// Entries with this hashtag; may be given several times, for all of them.
    #[serde(default)]
    hashtag: Vec<String>,
    /// `none` leaves empty buckets out, `zero` counts them as 0; `none` without it.
    #[serde(default)]
    #[param(value_type = String, pattern = "^(none|zero)$", example = "zero")]
    fill: Fill,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CountsOfMessages)]
struct Trends {
    trends: Vec<Bucket>,
}

/// How many entries a span of time has.
#[derive(Serialize, ToSchema)]
#[schema(as = CountOfMessages)]
struct Bucket {
    from: Time,
    to: Time,
    count: i64,
}

/// How many entries the journal has, by time.
#[utoipa::path(
    get,
    path = "/api/journal/trends",
    operation_id = "journalTrends",
    tag = "journal",
    params(TrendOf),
    responses((status = 200, description = "The counts, in order of time.", body = Trends, example = json!({
        "trends": [{"from": "2021-02-28T10:00:00Z", "to": "2021-02-28T11:00:00Z", "count": 2}]
    })))
)]
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
    Ok(Json(Trends { trends }).into_response())
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct HashtagsOf {
    /// The first moment of the span.
    #[param(inline)]
    from: Option<When>,
    /// The first moment after the span.
    #[param(inline)]
    to: Option<When>,
    /// The zone in which dates begin; UTC without it.
    #[serde(default)]
    #[param(inline)]
    tz: Zone,
    /// Most hashtags; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct Hashtags {
    hashtags: Vec<Hashtag>,
}

#[derive(Serialize, ToSchema)]
struct Hashtag {
    /// As it is compared.
    name: String,
    /// As it was last written.
    hashtag: String,
    count: i64,
}

/// The hashtags of the journal, the most used first.
#[utoipa::path(
    get,
    path = "/api/journal/hashtags",
    operation_id = "hashtags",
    tag = "journal",
    params(HashtagsOf),
    responses((status = 200, description = "The hashtags.", body = Hashtags, example = json!({
        "hashtags": [{"name": "istria", "hashtag": "Istria", "count": 2}]
    })))
)]
async fn hashtags(
    State(journal): State<JournalState>,
    Parameters(of): Parameters<HashtagsOf>,
) -> Result<Response, Problem> {
    let limit = limit(of.limit, LIMIT, MOST)?;
    let ends = Ends::of(of.from, of.to, &of.tz)?;
    let filter = Filter {
        since: ends.from.map(milliseconds),
        before: ends.to.map(milliseconds),
        ..Filter::default()
    };
    let used = journal.reader.hashtags(&filter, limit).await.map_err(problem)?;
    let hashtags: Vec<Hashtag> = used
        .into_iter()
        .map(|used| Hashtag {
            name: used.name,
            hashtag: used.spelling,
            count: used.entries,
        })
        .collect();
    Ok(Json(Hashtags { hashtags }).into_response())
}

/// Milliseconds since 1970, of which entries have whole ones: no entry is between them and the moment.
fn milliseconds(moment: Timestamp) -> i64 {
    let microseconds = moment.as_microsecond();
    microseconds.div_euclid(1000) + i64::from(microseconds.rem_euclid(1000) != 0)
}
