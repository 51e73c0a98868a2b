//! `GET /api/readings`.

use super::cursor::{Cursor, Digest};
use super::lines::Kind;
use super::page::{Asked, lasted, page};
use super::reader::Reader;
use super::stream::Export;
use super::{END, Filter, Key, Order, Page, Series, Span, answer, postgres};
use crate::words::page::{cut, limit};
use crate::words::reach::BEGINNING;
use crate::words::{Database, Device, EMPTY, Ends, Name, When, Zone, dropped, problem};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::ops::Range;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem, wrong};

/// Readings of a page, unless the client says how many; and at the most.
const LIMIT: usize = 100;
const MOST: usize = 10_000;

/// Most series of a page. Each is looked up in each window.
const MOST_SERIES: usize = 1000;

/// Names the first and the last day of a stream of lines that retention has dropped.
const DROPPED: HeaderName = HeaderName::from_static("dropped-days");

/// The routes of this question.
///
/// `GET /api/readings` answers with the readings of these `device`s and `sensor`s (none: all) from `from`
/// (inclusive) to `to` (exclusive), whose dates begin in the zone `tz`. They come in pages of `limit` (100) in
/// the order `asc` or `desc`, and `cursor` leads to the next page. With `Accept: application/x-ndjson` or `text/csv`,
/// or with `format=ndjson` or `format=csv`, all of them come as lines, in the order of dumps. Past
/// `drain_deadline`, lines break off.
///
/// 400 with the reason where the question is wrong, or a page has more than 1,000 series.
pub(crate) fn routes(database: Database, drain_deadline: CancellationToken) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(readings))
        .with_state(ReadingsState {
            database,
            drain_deadline,
        })
}

#[derive(Clone)]
struct ReadingsState {
    database: Database,
    drain_deadline: CancellationToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Ndjson,
    Csv,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ReadingsOf {
    /// A device; may be given several times. All devices without it.
    #[serde(default)]
    #[param(inline)]
    device: Vec<Device>,
    /// A sensor; may be given several times. All sensors without it.
    #[serde(default)]
    #[param(inline)]
    sensor: Vec<Name>,
    /// The first moment of the span; that of the first reading without it.
    #[param(inline)]
    from: Option<When>,
    /// The first moment after the span; after the last reading without it.
    #[param(inline)]
    to: Option<When>,
    /// The zone in which dates begin; UTC without it.
    #[serde(default)]
    #[param(inline)]
    tz: Zone,
    /// By timestamp, then device, then sensor: `asc`, or `desc` for exactly the reverse. `asc` without it.
    #[param(inline)]
    order: Option<Order>,
    /// Readings of a page; 100 without it.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before; the first page without it.
    cursor: Option<String>,
    /// `json` for pages; `ndjson` or `csv` for all readings of the span as lines. As `Accept` says without it.
    #[param(inline)]
    format: Option<Format>,
}

/// Readings as they are stored: in pages, or all of a span as lines.
///
/// Lines come in the order of dumps, and `POST /ingest` takes those of NDJSON. Where retention has dropped days of the
/// span, the header `Dropped-Days` of lines names the first and the last one.
#[utoipa::path(
    get,
    path = "/api/readings",
    operation_id = "readings",
    tag = "readings",
    params(ReadingsOf),
    responses((
        status = 200,
        description = "The readings.",
        content(
            (Page = "application/json", example = json!({
                "readings": [{
                    "device": "lada", "sensor": "speed", "timestamp": "2021-02-28T10:00:00Z", "value": 55.5, "unit": "km/h"
                }],
                "nextCursor": null,
                "dropped": [{"date": "2017-06-03", "url": "/dumps/2017-06-03.json.gz"}]
            })),
            (String = "application/x-ndjson", example = "{\"sensor\":\"speed\",\"value\":55.5,\"timestamp\":\"2021-02-28T10:00:00Z\",\"device\":\"lada\"}\n"),
            (String = "text/csv", example = "device,sensor,timestamp,value,unit\nlada,speed,2021-02-28T10:00:00Z,55.5,km/h\n")
        )
    ))
)]
async fn readings(
    State(state): State<ReadingsState>,
    headers: HeaderMap,
    Parameters(of): Parameters<ReadingsOf>,
) -> Result<Response, Problem> {
    match of.format.unwrap_or_else(|| accepted(&headers)) {
        Format::Json => state.page(&of).await,
        Format::Ndjson => state.lines(&of, Kind::Ndjson).await,
        Format::Csv => state.lines(&of, Kind::Csv).await,
    }
}

/// When a question began: a page before this one knows its span, or it begins now.
enum Begun {
    Before(Span),
    Now(Ends),
}

impl ReadingsState {
    async fn page(&self, of: &ReadingsOf) -> Result<Response, Problem> {
        let limit = limit(of.limit, LIMIT, MOST)?;
        let cursor = of.cursor.as_deref().map(str::parse::<Cursor>).transpose();
        let cursor = cursor.map_err(|reason| wrong("cursor", reason))?;
        let question = of.digest();
        if cursor.as_ref().is_some_and(|cursor| cursor.question != question) {
            let reason = "it belongs to another question: repeat the device, sensor, from, to, tz and order of the first page, or leave it out";
            return Err(wrong("cursor", reason));
        }
        let begun = match &cursor {
            // What `-2h` means now may be behind a fixed end.
            Some(cursor) => Begun::Before(cursor.span),
            None => Begun::Now(of.ends_in_order()?),
        };
        let filter = of.filter();
        let series = postgres::series(&self.database, &filter, None, MOST_SERIES + 1)
            .await
            .map_err(problem)?;
        if series.len() > MOST_SERIES {
            return Err(of.too_many());
        }
        let order = of.order.unwrap_or_default();
        let span = match begun {
            Begun::Before(span) => span,
            Begun::Now(ends) => self.span(ends, order, &series).await?,
        };
        let asked = Asked {
            series: &series,
            span,
            order,
            after: cursor.as_ref().map(|cursor| &cursor.last),
            lasted: cursor.as_ref().map_or(0, |cursor| cursor.lasted),
        };
        // One more shows whether another page follows.
        let mut rows = page(&self.database, &asked, limit + 1).await.map_err(problem)?;
        let goes_on = cut(&mut rows, limit);
        let last = rows.last().filter(|_| goes_on);
        let last = last.and_then(|row| Some((row, series.get(row.series)?)));
        let next = last.map(|(row, series)| Cursor {
            question,
            span,
            last: Key {
                timestamp: row.timestamp,
                device: series.device.clone(),
                sensor: series.sensor.clone(),
            },
            lasted: lasted(&rows),
        });
        // Days before the first reading count as well, where no beginning is asked for.
        let first = of.from.map_or(BEGINNING, |_| span.from);
        let last = next.as_ref().map(|next| next.last.timestamp);
        let covered = covered(first..span.to, order, asked.after.map(|after| after.timestamp), last);
        let dropped = dropped(&self.database, covered).await.map_err(problem)?;
        let page = answer::json(&series, &rows, next.map(|next| next.to_string()), dropped)?;
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::VARY, "accept")];
        Ok((headers, Body::from(page)).into_response())
    }

    /// The span of a first page. Without ends, it has all readings.
    async fn span(&self, ends: Ends, order: Order, series: &[Series]) -> Result<Span, Problem> {
        let to = ends.to.map(Timestamp::as_microsecond).unwrap_or_else(|| {
            // Clocks of devices may be ahead of this one.
            let latest = series.iter().filter_map(|series| series.latest).max();
            let now = ends.now.as_microsecond();
            latest.map_or(now, |latest| now.max(latest.saturating_add(1)).min(END))
        });
        let from = match (ends.from, order) {
            (Some(from), _) => from.as_microsecond(),
            (None, Order::Desc) => BEGINNING,
            // Windows that begin before all readings would grow too wide.
            (None, Order::Asc) => {
                let ids: Vec<i32> = series.iter().map(|series| series.id).collect();
                let earliest = postgres::earliest(&self.database, &ids, to).await;
                earliest
                    .map_err(problem)?
                    .map_or(to - 1, |earliest| earliest.max(BEGINNING))
            }
        };
        within(from, to)
    }

    /// All readings of the span, as lines.
    async fn lines(&self, of: &ReadingsOf, kind: Kind) -> Result<Response, Problem> {
        let of_pages = [
            ("order", of.order.is_some()),
            ("limit", of.limit.is_some()),
            ("cursor", of.cursor.is_some()),
        ];
        if let Some((name, _)) = of_pages.iter().find(|(_, is_given)| *is_given) {
            return Err(wrong(
                name,
                "lines come all at once, by device, sensor and time: leave it out, or write format=json for pages",
            ));
        }
        let ends = of.ends()?;
        let from = ends.from.map_or(BEGINNING, Timestamp::as_microsecond);
        let to = ends.to.map_or(END, Timestamp::as_microsecond);
        let span = within(from, to)?;
        let dropped = dropped(&self.database, from..to).await.map_err(problem)?;
        let reader = Reader::new(self.database.clone(), of.filter(), span);
        let body = Export::new(reader, kind).body(self.drain_deadline.clone()).await?;
        let headers = [(header::CONTENT_TYPE, kind.media_type()), (header::VARY, "accept")];
        let mut response = (headers, body).into_response();
        if let (Some(first), Some(last)) = (dropped.first(), dropped.last()) {
            let days = format!("{}/{}", first.date, last.date);
            let days = HeaderValue::try_from(days).map_err(Problem::internal)?;
            response.headers_mut().insert(DROPPED, days);
        }
        Ok(response)
    }
}

/// The part of a span that a page has, which begins after a reading, and ends with one if another page follows.
fn covered(span: Range<i64>, order: Order, after: Option<i64>, last: Option<i64>) -> Range<i64> {
    match order {
        Order::Asc => after.unwrap_or(span.start)..last.map_or(span.end, |last| last.saturating_add(1)),
        Order::Desc => last.unwrap_or(span.start)..after.map_or(span.end, |after| after.saturating_add(1)),
    }
}

impl ReadingsOf {
    fn filter(&self) -> Filter {
        Filter::new(&self.device, &self.sensor)
    }

    fn ends(&self) -> Result<Ends, Problem> {
        Ends::of(self.from, self.to, &self.tz)
    }

    /// The ends; 400 where the span between them is empty.
    fn ends_in_order(&self) -> Result<Ends, Problem> {
        let ends = self.ends()?;
        if let (Some(from), Some(to)) = (ends.from, ends.to) {
            within(from.as_microsecond(), to.as_microsecond())?;
        }
        Ok(ends)
    }

    /// 400 for too many series, which says what makes them fewer.
    fn too_many(&self) -> Problem {
        let (name, what) = match (self.device.is_empty(), self.sensor.is_empty()) {
            (true, _) => ("device", "a device"),
            (false, true) => ("sensor", "sensors"),
            (false, false) => ("sensor", "fewer devices or sensors"),
        };
        let reason =
            format!("these are more than {MOST_SERIES} series: name {what}, or take all of them with format=ndjson");
        wrong(name, reason)
    }

    /// The same for the same question, but for the limit.
    fn digest(&self) -> Digest {
        let filter = self.filter();
        let text = |when: Option<When>| when.map(|when| when.to_string()).unwrap_or_default();
        let question = [
            filter.devices.join(","),
            filter.sensors.join(","),
            text(self.from),
            text(self.to),
            self.tz.name().to_owned(),
            format!("{:?}", self.order.unwrap_or_default()),
        ];
        let hash = Sha256::digest(question.join("\n"));
        let mut digest = Digest::default();
        for (byte, hashed) in digest.iter_mut().zip(hash) {
            *byte = hashed;
        }
        digest
    }
}

fn within(from: i64, to: i64) -> Result<Span, Problem> {
    if from >= to {
        return Err(Problem::bad_request(EMPTY));
    }
    Ok(Span { from, to })
}

/// The format that `Accept` prefers. It is JSON where all are welcome, or none of them is.
fn accepted(headers: &HeaderMap) -> Format {
    let mut best = (0.0, Format::Json);
    let values = headers.get_all(header::ACCEPT).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    for range in texts.flat_map(|text| text.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let format = match kind.as_str() {
            "application/json" => Format::Json,
            "application/x-ndjson" => Format::Ndjson,
            "text/csv" => Format::Csv,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        let weight = weight.unwrap_or(1.0);
        if weight > best.0 {
            best = (weight, format);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Api;
    use reading::time::DAY;

    #[tokio::test]
    async fn a_cursor_holds_once_the_span_before_now_has_passed_its_end() {
        let api = Api::with(&[
            ("lada", "speed", "2021-02-28T10:00:00Z", 1.0),
            ("lada", "speed", "2021-02-28T10:00:01Z", 2.0),
        ])
        .await;
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        let to = moment("2021-02-28T11:00:00Z");
        // A first page of that day.
        let of = ReadingsOf {
            device: Vec::new(),
            sensor: Vec::new(),
            from: Some(When::Ago(DAY)),
            to: Some(When::Moment(to)),
            tz: Zone::default(),
            order: None,
            limit: None,
            cursor: None,
            format: None,
        };
        let cursor = Cursor {
            question: of.digest(),
            span: Span {
                from: to.as_microsecond() - DAY,
                to: to.as_microsecond(),
            },
            last: Key {
                timestamp: moment("2021-02-28T10:00:00Z").as_microsecond(),
                device: "lada".to_owned(),
                sensor: "speed".to_owned(),
            },
            lasted: 0,
        };
        let question = "/api/readings?from=-1d&to=2021-02-28T11:00:00Z";
        let page = api.ok(&format!("{question}&cursor={cursor}")).await;
        let values: Vec<_> = page["readings"].as_array().unwrap().iter().collect();
        assert_eq!(values.len(), 1, "{page}");
        assert_eq!(values[0]["value"], 2.0);
        let (status, _) = api.get(question).await;
        assert_eq!(status, 400, "of a first page, the span is empty");
    }

    #[test]
    fn accept_is_honoured() {
        for (accept, expected) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("application/json", Format::Json),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Json),
            ("application/x-ndjson", Format::Ndjson),
            ("Text/CSV", Format::Csv),
            ("text/csv; header=present", Format::Csv),
            ("application/json;q=0.5, text/csv", Format::Csv),
            ("application/x-ndjson;q=0.2, text/csv;q=0.3", Format::Csv),
            ("text/csv, application/json", Format::Csv),
            ("text/csv;q=0", Format::Json),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(accepted(&headers), expected, "{accept}");
        }
    }
}
