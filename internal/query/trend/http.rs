//! `GET /api/trends`.

use super::aggregation::Aggregation;
use super::functions::Functions;
use super::table::{Layout, Table};
use super::{Answer, Asked, Cut, Series, Trend, TrendLimits, Trends, check, cut};
use crate::words::bucket::{self, Fill, Function, Named};
use crate::words::{Database, Device, Ends, Name, Time, When, Zone, dropped, problem, unit};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Parameters, Problem, wrong};

/// How long one series, or all series of an answer together, may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// The routes of this question.
///
/// `GET /api/trends?sensor=NAME` answers with the average of each quarter of an hour of the last 24 hours
/// that has readings. `device` selects one device; `from` (inclusive) and `to` (exclusive) are times,
/// whose dates begin in the zone `tz`. `aggregation` is the width of a bucket (`15m`), of the calendar of that zone
/// where one is given; or `points` is the greatest number of buckets. `function` is the value of a bucket (`avg`; some of
/// `avg,min,max,sum,count,first,last,stddev,p50,p95`). `fill` is the value of an empty one (`none`, `null`, `zero`,
/// `previous`, `linear`; a count is null or 0).
///
/// Several times `sensor`, `by=device` or `layout=columns` answer with a list of series.
///
/// 400 with the reason where the question is wrong, or its answer would have more than `limits`. 503 where it takes
/// longer than a minute.
pub(crate) fn routes(database: Database, limits: TrendLimits) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(trends))
        .with_state(TrendState { database, limits })
}

#[derive(Clone)]
struct TrendState {
    database: Database,
    limits: TrendLimits,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct TrendOf {
    /// A sensor; several times for several series.
    #[param(inline, min_items = 1)]
    sensor: Vec<Name>,
    /// One device; all devices together without it.
    #[param(inline)]
    device: Option<Device>,
    /// The first moment of the span; a day before `to` without it.
    #[param(inline)]
    from: Option<When>,
    /// The first moment after the span; now without it.
    #[param(inline)]
    to: Option<When>,
    /// The width of a bucket, such as `30s`, `15m`, `1h`, `1d` or `1mo`; or `all`. `15m` without it.
    #[param(inline)]
    aggregation: Option<Aggregation>,
    /// Instead of `aggregation`: the greatest number of points. The points are the readings themselves if these are
    /// no more, or else buckets. 2,000 at the most, unless this server has another limit.
    #[param(minimum = 1)]
    points: Option<u32>,
    /// The zone in which dates, days, weeks, months and years begin; UTC without it.
    #[param(inline)]
    tz: Option<Zone>,
    /// Functions of a bucket, each once, with commas; `avg` without it.
    #[serde(default)]
    #[param(inline)]
    function: Functions,
    /// The value of an empty bucket; `none` leaves it out. Without `fill` it is `none`, and in columns `null`.
    #[param(inline)]
    fill: Option<Fill>,
    /// A series of each device.
    #[param(inline)]
    by: Option<By>,
    /// `rows`, or `columns` for arrays; `rows` without it.
    #[serde(default)]
    #[param(inline)]
    layout: Layout,
}

/// What series are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    Device,
}

impl TrendOf {
    fn span(&self) -> Result<(Timestamp, Timestamp), Problem> {
        let utc = Zone::default();
        Ends::of(self.from, self.to, self.tz.as_ref().unwrap_or(&utc))?.span(1)
    }

    /// The sensors, each once.
    fn sensors(&self) -> Result<Vec<&str>, Problem> {
        let sensors: Vec<&str> = self.sensor.iter().map(Name::as_str).collect();
        let twice = sensors
            .iter()
            .enumerate()
            .find(|(at, name)| sensors[..*at].contains(*name));
        match twice {
            Some((_, name)) => Err(wrong("sensor", format!("{name} is given twice; give it once"))),
            None => Ok(sensors),
        }
    }

    fn device(&self) -> Option<&str> {
        self.device.as_ref().map(Device::as_str)
    }
}

/// Readings of sensors in buckets of time, and functions of each bucket.
///
/// Several sensors, `by=device` and `layout=columns` are answered with a list of series.
#[utoipa::path(
    get,
    path = "/api/trends",
    operation_id = "trends",
    tag = "readings",
    params(TrendOf),
    responses((
        status = 200,
        description = "The trend of one sensor, or series.",
        content((Answer = "application/json", examples(
            ("one" = (summary = "One sensor.", value = json!({
                    "sensor": "speed",
                    "device": null,
                    "from": "2021-02-28T10:00:00Z",
                    "to": "2021-02-28T11:00:00Z",
                    "aggregation": "15m",
                    "buckets": [{"timestamp": "2021-02-28T10:00:00Z", "avg": 57.5, "count": 3}]
                }))),
            ("several" = (summary = "Series in columns.", value = json!({
                "from": "2021-02-28T10:00:00Z",
                "to": "2021-02-28T11:00:00Z",
                "aggregation": "15m",
                "series": [{
                    "device": "lada",
                    "sensor": "speed",
                    "unit": "km/h",
                    "raw": false,
                    "buckets": {"timestamp": ["2021-02-28T10:00:00Z", "2021-02-28T10:15:00Z"], "avg": [57.5, null]}
                }],
                "dropped": [{"date": "2017-06-03", "url": "/dumps/2017-06-03.json.gz"}]
            })))
        )))
    ))
)]
async fn trends(State(state): State<TrendState>, Parameters(of): Parameters<TrendOf>) -> Result<Response, Problem> {
    let TrendState { database, limits } = state;
    let (from, to) = of.span()?;
    let asked = Asked {
        aggregation: of.aggregation.as_ref(),
        points: of.points,
        zone: of.tz.as_ref(),
    };
    let cut = cut(from, to, &asked, &limits).map_err(Problem::bad_request)?;
    let sensors = of.sensors()?;
    check(sensors.len(), &cut, &limits).map_err(Problem::bad_request)?;
    let fill = of.fill.unwrap_or(match of.layout {
        Layout::Rows => Fill::None,
        Layout::Columns => Fill::Null,
    });
    let question = Question {
        database: &database,
        span: (from, to),
        cut: &cut,
        limits: &limits,
        functions: &of.function.0,
        fill,
        layout: of.layout,
    };
    let dropped = dropped(&database, from.as_microsecond()..to.as_microsecond());
    let dropped = dropped.await.map_err(problem)?;
    if let (&[sensor], None, Layout::Rows) = (&*sensors, of.by, of.layout) {
        let one = async {
            let series = bucket::series(&database, sensor, of.device()).await.map_err(problem)?;
            question.ask(&series).await
        };
        let (raw, buckets) = in_time(one).await?;
        let trend = Trend {
            sensor,
            device: of.device(),
            from: Time(from),
            to: Time(to),
            aggregation: cut.name(),
            raw,
            buckets,
            dropped,
        };
        return Ok(Json(Answer::One(trend)).into_response());
    }
    let all = async {
        match of.by {
            Some(By::Device) => question.by_device(&sensors, of.device()).await,
            None => question.by_sensor(&sensors, of.device()).await,
        }
    };
    let series = in_time(all).await?;
    let trends = Trends {
        from: Time(from),
        to: Time(to),
        aggregation: cut.name(),
        series,
        dropped,
    };
    Ok(Json(Answer::Several(trends)).into_response())
}

/// The answer, unless it takes too long.
async fn in_time<T>(answer: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let answered = timeout(DEADLINE, answer).await;
    answered.unwrap_or_else(|_| {
        let detail = format!(
            "The database has not answered within {} seconds: ask for fewer series or a shorter span.",
            DEADLINE.as_secs()
        );
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
    })
}

/// What is asked of each series.
struct Question<'a> {
    database: &'a Database,
    span: (Timestamp, Timestamp),
    cut: &'a Cut,
    limits: &'a TrendLimits,
    functions: &'a [Function],
    fill: Fill,
    layout: Layout,
}

impl Question<'_> {
    /// A series of each sensor.
    async fn by_sensor(&self, sensors: &[&str], device: Option<&str>) -> Result<Vec<Series>, Problem> {
        let mut all = Vec::with_capacity(sensors.len());
        for sensor in sensors {
            let series = bucket::series(self.database, sensor, device).await.map_err(problem)?;
            all.push(self.one(sensor, device, &series).await?);
        }
        Ok(all)
    }

    /// A series of each sensor and device. Each is asked for by itself, so that its sums are those of a question for
    /// the device alone.
    async fn by_device(&self, sensors: &[&str], device: Option<&str>) -> Result<Vec<Series>, Problem> {
        // One more shows that they are too many.
        let most = self.limits.trend_max_series + 1;
        let named = bucket::named(self.database, sensors, device, most)
            .await
            .map_err(problem)?;
        check(named.len(), self.cut, self.limits).map_err(Problem::bad_request)?;
        let mut all = Vec::with_capacity(named.len());
        for sensor in sensors {
            for Named { device, id, .. } in named.iter().filter(|named| named.sensor == **sensor) {
                all.push(self.one(sensor, Some(device), &[*id]).await?);
            }
        }
        Ok(all)
    }

    async fn one(&self, sensor: &str, device: Option<&str>, series: &[i32]) -> Result<Series, Problem> {
        let (raw, buckets) = self.ask(series).await?;
        Ok(Series {
            device: device.map(str::to_owned),
            sensor: sensor.to_owned(),
            unit: unit(sensor),
            raw,
            buckets,
        })
    }

    /// The buckets of the readings of some series together, or the readings themselves.
    async fn ask(&self, series: &[i32]) -> Result<(bool, Table), Problem> {
        if let Some(points) = self.cut.points {
            let readings = bucket::readings(self.database, series, self.span, points).await;
            if let Some(readings) = readings.map_err(problem)? {
                return Ok((true, Table::of_readings(&readings, self.functions, self.layout)));
            }
        }
        let Some((_, buckets)) = &self.cut.buckets else {
            return Err(wrong(
                "points",
                "no width up to a week fits: ask for more points or a shorter span, or write an aggregation such as 1mo",
            ));
        };
        let values = bucket::values(self.database, series, buckets, self.functions, self.fill).await;
        let values = values.map_err(problem)?;
        Ok((
            false,
            Table::of_buckets(buckets, self.functions, values, self.fill, self.layout),
        ))
    }
}
