//! `GET /api/location/track`.

use super::formats;
use super::points::{Room, points};
use super::segments::{Chosen, Segment, choose};
use crate::words::places::COORDINATES;
use crate::words::readings::devices;
use crate::words::{Database, Device, Ends, Format, Name, Time, When, Zone, dropped, problem};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use reading::time;
use serde::Deserialize;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem, wrong};

/// The longest span of an answer, and the one without a beginning, in days.
const LONGEST: i64 = 366;
const DEFAULT: i64 = 1;

/// Most devices of an answer.
const DEVICES: usize = 1000;

/// What an answer may read. Bounds its memory and its time.
const ROOM: Room = Room {
    readings: 10_000_000,
    places: 3_000_000,
    kept: 400_000,
};

/// Most points of an answer.
const MOST_POINTS: usize = 100_000;

/// Most points that may be asked for.
const MOST_ASKED: usize = 10_000;

/// The coarsest line that may be asked for, in metres.
const COARSEST: f64 = 100_000.0;

/// The routes of this question. `tolerance` is the longest time between the two readings of one place.
///
/// `GET /api/location/track` answers with the places of the last 24 hours, in segments. `device` selects one device;
/// `from` (inclusive) and `to` (exclusive) are times, whose dates begin in the zone `tz`; `points` or `simplify` leave points out; `with` adds the
/// nearest value of a sensor; `layout=columns` and `format` choose the form.
///
/// Reads the coordinates of the span once, in order of the primary key, and sorts nothing. 400 with the reason where
/// the question is wrong or its answer too large.
pub(crate) fn routes(database: Database, tolerance: Duration) -> OpenApiRouter {
    let tolerance = time::micros(tolerance).min(time::DAY);
    OpenApiRouter::default()
        .routes(routes!(track))
        .with_state(TrackState { database, tolerance })
}

#[derive(Clone)]
struct TrackState {
    database: Database,
    /// In microseconds.
    tolerance: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Layout {
    #[default]
    Rows,
    Columns,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct TrackOf {
    /// One device; all devices without it.
    #[param(inline)]
    device: Option<Device>,
    /// The first moment of the span; 24 hours before `to` without it.
    #[param(inline)]
    from: Option<When>,
    /// The first moment after the span; now without it.
    #[param(inline)]
    to: Option<When>,
    /// The zone in which dates begin; UTC without it.
    #[serde(default)]
    #[param(inline)]
    tz: Zone,
    /// So many points at most; each segment keeps both ends.
    #[param(minimum = 2, maximum = 10000)]
    points: Option<usize>,
    /// Leaves out points that are at most so many metres from the line.
    #[param(exclusive_minimum = 0, maximum = 100000)]
    simplify: Option<f64>,
    /// A sensor: each point has its nearest value, or null.
    #[param(inline)]
    with: Option<Name>,
    /// The form of the answer; `json` without it.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// The form of points in JSON: `rows`, or `columns` for an array of each member.
    #[serde(default)]
    #[param(inline)]
    layout: Layout,
}

/// The places of vehicles in a span, in segments that each have no gap.
#[utoipa::path(
    get,
    path = "/api/location/track",
    operation_id = "track",
    tag = "drives",
    params(TrackOf),
    responses((
        status = 200,
        description = "The segments, in order of device and time.",
        content(
            (formats::Track = "application/json", example = json!({
                "from": "2021-02-28T00:00:00Z",
                "to": "2021-03-01T00:00:00Z",
                "with": "speed",
                "unit": "km/h",
                "segments": [{
                    "device": "lada",
                    "from": "2021-02-28T10:00:00Z",
                    "to": "2021-02-28T10:01:00Z",
                    "distance": 1111.95,
                    "movingTime": 60.0,
                    "points": [
                        {"timestamp": "2021-02-28T10:00:00Z", "latitude": 45.0, "longitude": 13.0, "value": 60.0},
                        {"timestamp": "2021-02-28T10:01:00Z", "latitude": 45.01, "longitude": 13.0, "value": null}
                    ]
                }]
            })),
            (Object = "application/geo+json", example = json!({"type": "FeatureCollection", "features": []})),
            (String = "application/gpx+xml", example = "<gpx version=\"1.1\" creator=\"Odograph\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n</gpx>\n")
        )
    ))
)]
async fn track(State(source): State<TrackState>, Parameters(of): Parameters<TrackOf>) -> Result<Response, Problem> {
    let (from, to) = Ends::of(of.from, of.to, &of.tz)?.span_within(DEFAULT, LONGEST)?;
    let chosen = chosen(of.points, of.simplify)?;
    if of.layout == Layout::Columns && of.format != Format::Json {
        return Err(wrong("layout", "only JSON has columns; leave format out"));
    }
    if of.with.is_some() && of.format == Format::Gpx {
        return Err(wrong(
            "with",
            "GPX holds places only; leave it out, or ask for another format",
        ));
    }
    let (device, with) = (
        of.device.as_ref().map(Device::as_str),
        of.with.as_ref().map(Name::as_str),
    );
    let mut segments = source.segments(device, with, (from, to), chosen).await?;
    choose(&mut segments, chosen);
    if segments.iter().map(|segment| segment.points.len()).sum::<usize>() > MOST_POINTS {
        return Err(Problem::bad_request(format!(
            "more than {MOST_POINTS} points: ask for fewer with points or simplify, for a shorter span, or for one device"
        )));
    }
    let dropped = dropped(&source.database, from.as_microsecond()..to.as_microsecond());
    let dropped = dropped.await.map_err(problem)?;
    Ok(match of.format {
        Format::Json => {
            let in_columns = of.layout == Layout::Columns;
            Json(formats::track(
                (Time(from), Time(to)),
                with,
                &segments,
                dropped,
                in_columns,
            ))
            .into_response()
        }
        Format::Geojson => {
            let kind = [(header::CONTENT_TYPE, "application/geo+json")];
            (kind, Json(formats::geojson(with, &segments, &dropped))).into_response()
        }
        Format::Gpx => {
            let kind = [(header::CONTENT_TYPE, "application/gpx+xml")];
            (kind, formats::gpx(&segments, &dropped)).into_response()
        }
    })
}

impl TrackState {
    /// The segments of one device or of all, in order of device and time.
    async fn segments(
        &self,
        device: Option<&str>,
        with: Option<&str>,
        (from, to): (Timestamp, Timestamp),
        chosen: Chosen,
    ) -> Result<Vec<Segment>, Problem> {
        let span = from.as_microsecond()..to.as_microsecond();
        let sensors: Vec<&str> = COORDINATES.into_iter().chain(with).collect();
        let since = span.start.saturating_sub(self.tolerance);
        let found = devices(&self.database, device, &sensors, &[], since, DEVICES + 1)
            .await
            .map_err(problem)?;
        if found.len() > DEVICES {
            return Err(wrong(
                "device",
                format!("more than {DEVICES} devices have readings in this span; name one"),
            ));
        }
        let mut room = ROOM;
        let mut all = Vec::new();
        for device in found {
            let [Some(_), Some(_), ..] = device.series.as_slice() else {
                continue;
            };
            let read = points(
                &self.database,
                &device.series,
                span.clone(),
                self.tolerance,
                chosen,
                &mut room,
            );
            let Some(line) = read.await.map_err(problem)? else {
                return Err(Problem::bad_request(format!(
                    "more than {} places with points or simplify, {} without, or {} readings: ask for a shorter span, or for one device",
                    ROOM.places, ROOM.kept, ROOM.readings
                )));
            };
            all.extend(line.finish(&device.name));
        }
        Ok(all)
    }
}

fn chosen(points: Option<usize>, simplify: Option<f64>) -> Result<Chosen, Problem> {
    match (points, simplify) {
        (Some(_), Some(_)) => Err(wrong("simplify", "points is given as well: give one of the two")),
        (Some(most), None) if (2..=MOST_ASKED).contains(&most) => Ok(Chosen::Most(most)),
        (Some(_), None) => Err(wrong("points", format!("write a number from 2 to {MOST_ASKED}"))),
        (None, Some(metres)) if metres > 0.0 && metres <= COARSEST => Ok(Chosen::Within(metres)),
        (None, Some(_)) => Err(wrong("simplify", format!("write metres, above 0 and up to {COARSEST}"))),
        (None, None) => Ok(Chosen::All),
    }
}
