//! Trends: sensors' raw readings in buckets of time, and functions of each bucket.
//!
//! Deliberately not here: how buckets are cut, filled and read. That is `words::bucket`, which the averages of a day
//! share.

mod aggregation;
mod described;
mod functions;
mod http;
mod limits;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;
pub use limits::TrendLimits;

use self::aggregation::Aggregation;
use self::table::Table;
use crate::words::bucket::Buckets;
use crate::words::{DroppedDay, EMPTY, Time, Zone};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// `GET /api/trends`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = TrendAnswer)]
enum Answer<'a> {
    One(Trend<'a>),
    Several(Trends<'a>),
}

/// The trend of one sensor: its readings in buckets of time.
#[derive(Debug, Serialize, ToSchema)]
struct Trend<'a> {
    sensor: &'a str,
    /// The device of the readings; null: all devices.
    #[schema(required)]
    device: Option<&'a str>,
    /// The beginning of the span.
    from: Time,
    /// The end of the span, exclusive.
    to: Time,
    /// The width of the buckets, as in the request, or as the number of points led to; null where none fits.
    #[schema(required)]
    aggregation: Option<&'a str>,
    /// The buckets are single readings.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    raw: bool,
    buckets: Table,
    /// Days of the span whose readings retention has dropped: they are in its dumps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<DroppedDay>,
}

/// Trends of several sensors, of each device, or in columns.
#[derive(Debug, Serialize, ToSchema)]
struct Trends<'a> {
    /// The beginning of the span. This member and the next two are those of the trend of one sensor.
    from: Time,
    to: Time,
    #[schema(required)]
    aggregation: Option<&'a str>,
    /// In the order of the sensors in the request, then of device.
    series: Vec<Series>,
    /// As of one trend.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<DroppedDay>,
}

/// The readings of a sensor, of one device or of all.
#[derive(Debug, Serialize, ToSchema)]
struct Series {
    /// Null for all devices.
    #[schema(required)]
    device: Option<String>,
    sensor: String,
    /// Null for a sensor whose unit the platform does not know.
    #[schema(required)]
    unit: Option<&'static str>,
    /// The buckets are single readings.
    raw: bool,
    buckets: Table,
}

/// What a request says of buckets.
struct Asked<'a> {
    aggregation: Option<&'a Aggregation>,
    points: Option<u32>,
    zone: Option<&'a Zone>,
}

/// How a span is cut.
#[derive(Debug)]
struct Cut {
    /// None where no width fits.
    buckets: Option<(Aggregation, Buckets)>,
    /// The number of points that was asked for: up to as many readings are given as they are.
    points: Option<usize>,
}

impl Cut {
    /// The name of the width.
    fn name(&self) -> Option<&str> {
        self.buckets.as_ref().map(|(aggregation, _)| &*aggregation.text)
    }

    /// The most buckets or readings of a series.
    fn len(&self) -> usize {
        let buckets = self.buckets.as_ref().map(|(_, buckets)| buckets.len());
        self.points.or(buckets).unwrap_or(0)
    }
}

/// The buckets of a span; an error where the span is empty or they are too many.
fn cut(from: Timestamp, to: Timestamp, asked: &Asked<'_>, limits: &TrendLimits) -> Result<Cut, String> {
    if from >= to {
        return Err(EMPTY.to_owned());
    }
    let zone = asked.zone;
    match (asked.aggregation, asked.points) {
        (Some(_), Some(_)) => Err("points: it sets the aggregation; give one of them".to_owned()),
        (None, Some(points)) => {
            let points = usize::try_from(points).unwrap_or(usize::MAX);
            let most = limits.trend_max_points;
            if !(1..=most).contains(&points) {
                return Err(format!("points: write a number from 1 to {most}"));
            }
            Ok(Cut {
                buckets: aggregation::fitting(from, to, zone, points),
                points: Some(points),
            })
        }
        (aggregation, None) => {
            let aggregation = aggregation.cloned().unwrap_or_default();
            let width = aggregation
                .width(zone)
                .map_err(|reason| format!("aggregation: {reason}"))?;
            let most = limits.trend_max_buckets;
            let buckets = Buckets::new(from, to, &width, most).map_err(|number| {
                format!(
                    "{number} buckets are more than the {most} of one answer: ask for a wider aggregation or a shorter span"
                )
            })?;
            Ok(Cut {
                buckets: Some((aggregation, buckets)),
                points: None,
            })
        }
    }
}

/// An error where an answer of this many series would be too large.
fn check(series: usize, cut: &Cut, limits: &TrendLimits) -> Result<(), String> {
    let most = limits.trend_max_series;
    if series > most {
        return Err(format!(
            "these are more than the {most} series of one answer: name a device, or ask for fewer sensors"
        ));
    }
    let buckets = series.saturating_mul(cut.len());
    let most = limits.trend_max_all_buckets;
    if buckets > most {
        return Err(format!(
            "{series} series with up to {} buckets each are more than the {most} buckets of one answer: name a device, or ask for fewer sensors, fewer points, a wider aggregation or a shorter span",
            cut.len()
        ));
    }
    Ok(())
}
