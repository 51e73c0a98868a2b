//! `GET /api/trends`.

use super::{Functions, Trend, Width, buckets, told};
use crate::words::bucket::{Fill, columns};
use crate::words::{Database, Device, Ends, Name, Time, When, Zone, problem};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use reading::time;
use serde::Deserialize;
use web::{Parameters, Problem, wrong};

/// The routes of this question.
///
/// `GET /api/trends?sensor=NAME` answers with the average of each quarter of an hour of the last 24 hours
/// that has readings. `device` selects one device; `from` (inclusive) and `to` (exclusive) are times, whose dates
/// begin in the zone `tz`;
/// `aggregation` is the width of a bucket (`15m`). `function` is the value of a bucket (`avg`; some of
/// `avg,min,max,count,first,last`). `fill` is the value of an empty one (`none`, `null`, `zero`, `previous`,
/// `linear`; a count is null or 0).
///
/// 400 with the reason where the question is wrong or has more than 10,000 buckets.
pub(crate) fn routes(database: Database) -> Router {
    Router::new().route("/api/trends", get(trends)).with_state(database)
}

#[derive(Deserialize)]
struct TrendOf {
    sensor: Name,
    device: Option<Device>,
    from: Option<When>,
    to: Option<When>,
    #[serde(default)]
    tz: Zone,
    #[serde(default)]
    aggregation: Width,
    #[serde(default)]
    function: Functions,
    #[serde(default)]
    fill: Fill,
}

async fn trends(State(database): State<Database>, Parameters(of): Parameters<TrendOf>) -> Result<Response, Problem> {
    let ends = Ends::of(of.from, of.to, &of.tz)?;
    let to = ends.to.unwrap_or(ends.now);
    let from = match ends.from {
        Some(from) => from,
        None => Timestamp::from_microsecond(to.as_microsecond() - time::DAY)
            .map_err(|_| wrong("from", "there is no day before to: write a moment"))?,
    };
    let buckets = buckets(from, to, &of.aggregation).map_err(Problem::bad_request)?;
    let (sensor, device) = (of.sensor.as_str(), of.device.as_ref().map(Device::as_str));
    let columns = columns(&database, sensor, device, buckets, &of.function.0, of.fill)
        .await
        .map_err(problem)?;
    let trend = Trend {
        sensor,
        device,
        from: Time(from),
        to: Time(to),
        aggregation: &of.aggregation.text,
        buckets: told(buckets, &of.function.0, columns, of.fill),
    };
    Ok(Json(trend).into_response())
}
