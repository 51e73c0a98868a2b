//! `GET /api/trips` and `GET /api/trips/days`.

use super::answer::{Told, told, trips_of};
use super::cache::{Cache, parts};
use super::days::{Day, days};
use super::find::FARTHEST;
use super::refusal::{PLACES, READINGS, Refusal};
use super::thresholds::{Rules, Thresholds};
use crate::words::page::limit;
use crate::words::places::COORDINATES;
use crate::words::readings::devices;
use crate::words::{Database, Device, DroppedDay, Ends, When, Zone, dropped, problem};
use axum::Json;
use axum::extract::State;
use reading::time;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem, wrong};

/// The longest span of an answer, and the one without a beginning, in days.
const LONGEST: i64 = 366;
const DEFAULT: i64 = 30;

/// Most days of all devices together, and most devices.
const DEVICE_DAYS: i64 = 1000;
const DEVICES: usize = 1000;

/// Most trips that a limit may ask for.
const MOST: usize = 1000;

/// The routes of this question. `tolerance` is the longest time between the two readings of one place.
///
/// `GET /api/trips` answers with the trips that began in the last 30 days. `device` selects one device; `from`
/// (inclusive) and `to` (exclusive) are times; `tz` is the zone of all dates; `with=path` adds their paths, and `limit`
/// asks for the newest.
/// `GET /api/trips/days` counts them by date.
///
/// Reads four sensors of the span once, in order of the primary key, and keeps the answer until a day of it changes.
/// Memory is constant in the readings. 400 with the reason where the question is wrong or would read too much.
pub(crate) fn routes(database: Database, tolerance: Duration, thresholds: &Thresholds) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(trips))
        .routes(routes!(trip_days))
        .with_state(TripState {
            cache: Cache::new(database.clone(), Rules::new(thresholds, tolerance)),
            database,
        })
}

#[derive(Clone)]
struct TripState {
    database: Database,
    cache: Cache,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum With {
    Path,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct TripsOf {
    /// One device; all devices without it.
    #[param(inline)]
    device: Option<Device>,
    /// The first moment of the span; 30 days before `to` without it.
    #[param(inline)]
    from: Option<When>,
    /// The first moment after the span; now without it.
    #[param(inline)]
    to: Option<When>,
    /// The zone of the trips' dates; UTC without it.
    #[serde(default)]
    #[param(inline)]
    tz: Zone,
    /// Adds the path of each trip.
    #[param(inline)]
    with: Option<With>,
    /// Only so many of the newest trips, the newest first; all of them in order of time without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct Trips {
    /// In order of time, then of device; with a limit the newest first.
    trips: Vec<Told>,
    /// Days of the span whose readings retention has dropped: they are in its dumps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<DroppedDay>,
}

/// The trips that began in a span.
#[utoipa::path(
    get,
    path = "/api/trips",
    operation_id = "trips",
    tag = "drives",
    params(TripsOf),
    responses((status = 200, description = "The trips.", body = Trips, example = json!({
        "trips": [{
            "device": "lada",
            "date": "2021-02-28",
            "from": "2021-02-28T10:00:00Z",
            "to": "2021-02-28T10:20:00Z",
            "start": {"latitude": 45.0, "longitude": 13.0},
            "end": {"latitude": 45.1, "longitude": 13.0},
            "distance": 11119.5,
            "duration": 1200.0,
            "movingTime": 1180.0,
            "topSpeed": 55.5,
            "averageSpeed": 33.4,
            "fuel": null,
            "refuelled": null,
            "bridged": [],
            "open": false
        }],
        "dropped": [{"date": "2017-06-03", "url": "/dumps/2017-06-03.json.gz"}]
    })))
)]
async fn trips(State(source): State<TripState>, Parameters(of): Parameters<TripsOf>) -> Result<Json<Trips>, Problem> {
    let span = span(of.from, of.to, &of.tz)?;
    let limit = of.limit.map(|given| limit(Some(given), MOST, MOST)).transpose()?;
    let device = of.device.as_ref().map(Device::as_str);
    let trips = source.trips(device, &span, &of.tz, of.with.is_some(), limit).await?;
    let dropped = dropped(&source.database, span).await.map_err(problem)?;
    Ok(Json(Trips { trips, dropped }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct DaysOf {
    /// One device; all devices without it.
    #[param(inline)]
    device: Option<Device>,
    /// The first moment of the span; 30 days before `to` without it.
    #[param(inline)]
    from: Option<When>,
    /// The first moment after the span; now without it.
    #[param(inline)]
    to: Option<When>,
    /// The zone of the dates; UTC without it.
    #[serde(default)]
    #[param(inline)]
    tz: Zone,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DaysOfTrips)]
struct Days {
    days: Vec<Day>,
    /// Days of the span whose readings retention has dropped: they are in its dumps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<DroppedDay>,
}

/// The days on which trips began, for a calendar.
#[utoipa::path(
    get,
    path = "/api/trips/days",
    operation_id = "daysOfTrips",
    tag = "drives",
    params(DaysOf),
    responses((status = 200, description = "The days, in order. Those without a trip are left out.", body = Days, example = json!({
        "days": [{"date": "2021-02-28", "trips": 1, "distance": 11119.5, "movingTime": 1180.0}]
    })))
)]
async fn trip_days(State(source): State<TripState>, Parameters(of): Parameters<DaysOf>) -> Result<Json<Days>, Problem> {
    let span = span(of.from, of.to, &of.tz)?;
    let device = of.device.as_ref().map(Device::as_str);
    let trips = source.trips(device, &span, &of.tz, false, None).await?;
    let dropped = dropped(&source.database, span).await.map_err(problem)?;
    Ok(Json(Days {
        days: days(&trips),
        dropped,
    }))
}

impl TripState {
    /// The trips of one device or of all, in order of time, then of device; so many of the newest in the opposite
    /// order.
    async fn trips(
        &self,
        device: Option<&str>,
        span: &Range<i64>,
        zone: &Zone,
        with_path: bool,
        limit: Option<usize>,
    ) -> Result<Vec<Told>, Problem> {
        let [longitude, latitude] = COORDINATES;
        let sensors = [longitude, latitude, "speed", "fuel"];
        let since = span.start.saturating_sub(FARTHEST);
        let devices = devices(&self.database, device, &sensors, &["speed"], since, DEVICES + 1)
            .await
            .map_err(problem)?;
        let days = (span.end - span.start).div_euclid(time::DAY) + 1;
        let most = usize::try_from(DEVICE_DAYS / days).unwrap_or(1).max(1);
        if devices.len() > most {
            return Err(wrong(
                "device",
                format!("there are more than {most} devices for this span; name one, or ask for a shorter span"),
            ));
        }
        let now = time::now();
        let parts = parts(span, now);
        let versions = self.cache.versions(span).await?;
        let mut found = Vec::new();
        let mut room = READINGS;
        for device in &devices {
            for part in &parts {
                let trips = self.cache.find(device, part.clone(), with_path, &versions).await?;
                room = room.checked_sub(trips.readings).ok_or(Refusal::Readings)?;
                found.push((device, trips));
            }
        }
        let mut all: Vec<_> = found
            .iter()
            .flat_map(|(device, trips)| trips_of(&device.name, trips, span, now))
            .collect();
        // Stable: by device at equal times.
        all.sort_by_key(|one| one.trip.from);
        if let Some(limit) = limit {
            all.reverse();
            all.truncate(limit);
        }
        if all.iter().map(|one| one.trip.weight()).sum::<usize>() > PLACES {
            return Err(Refusal::Places.into());
        }
        Ok(all.into_iter().map(|one| told(one, zone, with_path)).collect())
    }
}

/// The span of a question, in microseconds since 1970-01-01 UTC.
fn span(from: Option<When>, to: Option<When>, zone: &Zone) -> Result<Range<i64>, Problem> {
    let (from, to) = Ends::of(from, to, zone)?.span_within(DEFAULT, LONGEST)?;
    Ok(from.as_microsecond()..to.as_microsecond())
}
