//! `GET /api/trips` and `GET /api/trips/days`.

use super::answer::{Told, told};
use super::cache::Cache;
use super::days::days;
use super::find::FARTHEST;
use super::thresholds::{Rules, Thresholds};
use crate::words::places::COORDINATES;
use crate::words::readings::devices;
use crate::words::{Database, Device, Ends, When, Zone, problem};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use reading::time;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;
use web::{Parameters, Problem, wrong};

/// The longest span of an answer, and the one without a beginning, in days.
const LONGEST: i64 = 366;
const DEFAULT: i64 = 30;

/// Most days of all devices together, and most devices.
const DEVICE_DAYS: i64 = 1000;
const DEVICES: usize = 1000;

/// Most readings that one answer reads. Bounds its time.
const READINGS: usize = 50_000_000;

/// The routes of this question. `tolerance` is the longest time between the two readings of one place.
///
/// `GET /api/trips` answers with the trips that began in the last 30 days. `device` selects one device; `from`
/// (inclusive) and `to` (exclusive) are times; `tz` is the zone of all dates; `with=path` adds their paths.
/// `GET /api/trips/days` counts them by date.
///
/// Reads four sensors of the span once, in order of the primary key, and keeps the answer until a day of it changes.
/// Memory is constant in the readings. 400 with the reason where the question is wrong or would read too much.
pub(crate) fn routes(database: Database, tolerance: Duration, thresholds: &Thresholds) -> Router {
    Router::new()
        .route("/api/trips", get(trips))
        .route("/api/trips/days", get(trip_days))
        .with_state(TripState {
            database,
            rules: Rules::new(thresholds, tolerance),
            cache: Cache::default(),
        })
}

#[derive(Clone)]
struct TripState {
    database: Database,
    rules: Rules,
    cache: Cache,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum With {
    Path,
}

#[derive(Deserialize)]
struct TripsOf {
    device: Option<Device>,
    from: Option<When>,
    to: Option<When>,
    #[serde(default)]
    tz: Zone,
    with: Option<With>,
}

#[derive(Serialize)]
struct Trips {
    trips: Vec<Told>,
}

async fn trips(State(source): State<TripState>, Parameters(of): Parameters<TripsOf>) -> Result<Json<Trips>, Problem> {
    let span = span(of.from, of.to, &of.tz)?;
    let device = of.device.as_ref().map(Device::as_str);
    let trips = source.trips(device, span, &of.tz, of.with.is_some()).await?;
    Ok(Json(Trips { trips }))
}

#[derive(Deserialize)]
struct DaysOf {
    device: Option<Device>,
    from: Option<When>,
    to: Option<When>,
    #[serde(default)]
    tz: Zone,
}

async fn trip_days(
    State(source): State<TripState>,
    Parameters(of): Parameters<DaysOf>,
) -> Result<Json<serde_json::Value>, Problem> {
    let span = span(of.from, of.to, &of.tz)?;
    let device = of.device.as_ref().map(Device::as_str);
    let trips = source.trips(device, span, &of.tz, false).await?;
    Ok(Json(serde_json::json!({ "days": days(&trips) })))
}

impl TripState {
    /// The trips of one device or of all, in order of time, then of device.
    async fn trips(
        &self,
        device: Option<&str>,
        span: Range<i64>,
        zone: &Zone,
        with_path: bool,
    ) -> Result<Vec<Told>, Problem> {
        let [longitude, latitude] = COORDINATES;
        let sensors = [longitude, latitude, "speed", "fuel"];
        let since = span.start.saturating_sub(FARTHEST);
        let found = devices(&self.database, device, &sensors, since, DEVICES + 1)
            .await
            .map_err(problem)?;
        let days = (span.end - span.start).div_euclid(time::DAY) + 1;
        let most = usize::try_from(DEVICE_DAYS / days).unwrap_or(1).max(1);
        if found.len() > most {
            return Err(wrong(
                "device",
                format!("there are more than {most} for this span; name one, or ask for a shorter span"),
            ));
        }
        let now = time::now();
        let mut room = READINGS;
        let mut all = Vec::new();
        for device in found {
            let trips = self.cache.find(&self.database, &device, span.clone(), self.rules, room);
            let Some(found) = trips.await.map_err(problem)? else {
                return Err(wrong(
                    "from",
                    format!("finding these trips takes more than {READINGS} readings; ask for a shorter span"),
                ));
            };
            room = room.saturating_sub(found.readings);
            all.extend(told(&device.name, &found, now, zone, with_path));
        }
        // Stable: by device at equal times.
        all.sort_by_key(|trip| trip.from);
        Ok(all)
    }
}

/// The span of a question, in microseconds since 1970-01-01 UTC.
fn span(from: Option<When>, to: Option<When>, zone: &Zone) -> Result<Range<i64>, Problem> {
    let (from, to) = Ends::of(from, to, zone)?.span_within(DEFAULT, LONGEST)?;
    Ok(from.as_microsecond()..to.as_microsecond())
}
