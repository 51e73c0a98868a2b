//! `GET /api/devices` and `GET /api/sensors`.

use super::{Device, Place, Sensor, postgres};
use crate::words::page::{cursor, cut, limit};
use crate::words::{self, Answer, Database, Questions, json, places, problem, respond};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use web::{Parameters, Problem};

/// Devices of a page, unless the client says how many; and at the most.
const LIMIT: usize = 100;
const MOST: usize = 1000;

/// Most series that an answer looks at.
const MOST_SERIES: i64 = 10_000;

/// The routes of this question. `tolerance` is the longest time between the two readings of one place.
pub(crate) fn routes(database: Database, tolerance: Duration) -> Router {
    Router::new()
        .route("/api/devices", get(devices))
        .route("/api/sensors", get(sensors))
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

#[derive(Deserialize)]
struct PageOf {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Devices {
    devices: Vec<Device>,
    next_cursor: Option<String>,
}

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
    let mut devices = postgres::devices(database, after, limit.saturating_add(1)).await?;
    let has_more = cut(&mut devices, limit);
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

#[derive(Deserialize)]
struct SensorsOf {
    device: Option<words::Device>,
}

#[derive(Serialize)]
struct Sensors {
    sensors: Vec<Sensor>,
}

async fn sensors(State(fleet): State<Fleet>, Parameters(of): Parameters<SensorsOf>) -> Response {
    let (database, device) = (fleet.database, of.device.clone());
    let put = || async move {
        let device = device.as_ref().map(words::Device::as_str);
        let series = postgres::series(&database, device, MOST_SERIES + 1).await;
        if series.map_err(problem)? > MOST_SERIES {
            return Err(Problem::bad_request(format!(
                "There are more than {MOST_SERIES} series; name a device with device=..."
            )));
        }
        let sensors = postgres::sensors(&database, device).await.map_err(problem)?;
        json(&Sensors { sensors })
    };
    respond(fleet.sensors.ask(of.device, put).await)
}
