//! `GET /api/devices` and `GET /api/sensors`.

use super::{Device, Place, Sensor, postgres};
use crate::words::page::{cursor, limit};
use crate::words::{self, Answer, Database, Questions, json, places, problem, respond};
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem};

/// Devices of a page, unless the client says how many; and at the most.
const LIMIT: usize = 100;
const MOST: usize = 1000;

/// Most series that an answer looks at.
const MOST_SERIES: i64 = 10_000;

/// The routes of this question. `tolerance` is the longest time between the two readings of one place.
pub(crate) fn routes(database: Database, tolerance: Duration) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(devices))
        .routes(routes!(sensors))
        .with_state(Fleet {
            database,
            tolerance: places::tolerance(tolerance),
            devices: Questions::default(),
            sensors: Questions::default(),
        })
}

#[derive(Clone)]
struct Fleet {
    database: Database,
    /// In microseconds.
    tolerance: i64,
    /// By the device that the page begins after, and its limit.
    devices: Questions<(Option<String>, usize), Answer>,
    /// By device.
    sensors: Questions<Option<words::Device>, Answer>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct PageOf {
    /// Devices of a page; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before; the first page without it.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Devices {
    /// In bytewise order of their names.
    devices: Vec<Device>,
    /// Leads to the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The devices that have readings.
///
/// A page ends before its limit where its devices have more than 4,000 series together.
#[utoipa::path(
    get,
    path = "/api/devices",
    operation_id = "devices",
    tag = "fleet",
    params(PageOf),
    responses((status = 200, description = "A page of devices.", body = Devices, example = json!({
        "devices": [{
            "device": "lada",
            "name": "Grandpa's Lada",
            "firstSeen": "2021-02-28T10:00:00Z",
            "lastSeen": "2021-02-28T10:30:00Z",
            "place": {"latitude": 45.23078, "longitude": 13.612699, "timestamp": "2021-02-28T10:30:00Z"}
        }],
        "nextCursor": null
    })))
)]
async fn devices(State(fleet): State<Fleet>, Parameters(of): Parameters<PageOf>) -> Result<Response, Problem> {
    let limit = limit(of.limit, LIMIT, MOST)?;
    let after: Option<Known> = cursor(of.cursor.as_deref())?;
    let after = after.map(|Known(device)| device);
    let (database, tolerance, from) = (fleet.database, fleet.tolerance, after.clone());
    let put = || async move {
        let page = page(&database, from.as_deref(), limit, tolerance).await;
        json(&page.map_err(problem)?)
    };
    Ok(respond(fleet.devices.ask((after, limit), put).await))
}

/// The name of a device, as a cursor.
struct Known(String);

impl std::str::FromStr for Known {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if ::reading::is_device(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

/// A page of devices with their places.
async fn page(
    database: &Database,
    after: Option<&str>,
    limit: usize,
    tolerance: i64,
) -> Result<Devices, ::postgres::Error> {
    let (mut devices, has_more) = postgres::devices(database, after, limit).await?;
    let names: Vec<&str> = devices.iter().map(|device| &*device.device).collect();
    let mut found = places::latest_of_each(database, &names, tolerance).await?;
    for device in &mut devices {
        device.place = found.remove(&device.device).map(Place::of);
    }
    let last = devices.last().filter(|_| has_more);
    Ok(Devices {
        next_cursor: last.map(|device| device.device.clone()),
        devices,
    })
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SensorsOf {
    /// One device; all devices without it.
    #[param(inline)]
    device: Option<words::Device>,
}

#[derive(Serialize, ToSchema)]
struct Sensors {
    sensors: Vec<Sensor>,
}

/// The sensors that have readings.
#[utoipa::path(
    get,
    path = "/api/sensors",
    operation_id = "sensors",
    tag = "fleet",
    params(SensorsOf),
    responses((status = 200, description = "All sensors, in bytewise order.", body = Sensors, example = json!({
        "sensors": [{
            "sensor": "speed",
            "unit": "km/h",
            "firstSeen": "2021-02-28T10:00:00Z",
            "lastSeen": "2021-02-28T10:30:00Z",
            "devices": 1
        }]
    })))
)]
async fn sensors(State(fleet): State<Fleet>, Parameters(of): Parameters<SensorsOf>) -> Response {
    let (database, device) = (fleet.database, of.device.clone());
    let put = || async move {
        let device = device.as_ref().map(words::Device::as_str);
        let series = postgres::series(&database, device, MOST_SERIES + 1).await;
        if series.map_err(problem)? > MOST_SERIES {
            let detail = match device {
                Some(device) => format!(
                    "{device} has more than {MOST_SERIES} sensors; GET /api/statistics/latest?device={device} lists them all."
                ),
                None => format!("There are more than {MOST_SERIES} series; name a device with device=..."),
            };
            return Err(Problem::bad_request(detail));
        }
        let sensors = postgres::sensors(&database, device).await.map_err(problem)?;
        json(&Sensors { sensors })
    };
    respond(fleet.sensors.ask(of.device, put).await)
}
