//! Tracks as JSON in rows or columns, for maps as GeoJSON (RFC 7946), and for GPS tools as GPX 1.1.

use super::gather::Point;
use super::segments::{Segment, seconds};
use crate::words::places::timestamp;
use crate::words::{DroppedDay, Time, unit};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;
use utoipa::ToSchema;

/// The track of a span.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Track<'a> {
    from: Time,
    to: Time,
    /// The sensor of the values.
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<&'a str>,
    /// Of the values; null for a sensor whose unit the platform does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    unit: Option<Option<&'static str>>,
    segments: Vec<Told<'a>>,
    /// Days of the span whose readings retention has dropped: they are in its dumps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<DroppedDay>,
}

/// A segment in an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Segment)]
struct Told<'a> {
    device: &'a str,
    from: Time,
    to: Time,
    /// In metres, without steps above 250 km/h.
    distance: f64,
    /// In seconds.
    moving_time: f64,
    points: Points,
}

/// The points of a segment, in rows or an array for each member.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Points {
    Rows(Vec<Row>),
    Columns(Columns),
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Point)]
struct Row {
    timestamp: Time,
    /// Degrees, WGS 84.
    latitude: f64,
    longitude: f64,
    /// Null without a reading close in time; left out where no sensor was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    value: Option<Option<f64>>,
}

/// The same, an array for each member.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PointColumns)]
struct Columns {
    timestamp: Vec<Time>,
    latitude: Vec<f64>,
    longitude: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Vec<Option<f64>>>,
}

/// A track of this span as JSON, its points in rows or in columns. `with` is the sensor of their values, `dropped` has
/// the days of the span that retention has dropped.
pub(super) fn track<'a>(
    span: (Time, Time),
    with: Option<&'a str>,
    segments: &'a [Segment],
    dropped: Vec<DroppedDay>,
    in_columns: bool,
) -> Track<'a> {
    let told = |segment: &'a Segment| Told {
        device: &segment.device,
        from: time(segment.from),
        to: time(segment.to),
        distance: segment.distance,
        moving_time: seconds(segment.moving_time),
        points: if in_columns {
            Points::Columns(columns(&segment.points, with.is_some()))
        } else {
            Points::Rows(rows(&segment.points, with.is_some()))
        },
    };
    Track {
        from: span.0,
        to: span.1,
        with,
        unit: with.map(unit),
        segments: segments.iter().map(told).collect(),
        dropped,
    }
}

fn rows(points: &[Point], with_values: bool) -> Vec<Row> {
    let row = |point: &Point| Row {
        timestamp: time(point.place.time),
        latitude: point.place.latitude,
        longitude: point.place.longitude,
        value: with_values.then_some(point.value),
    };
    points.iter().map(row).collect()
}

fn columns(points: &[Point], with_values: bool) -> Columns {
    Columns {
        timestamp: points.iter().map(|point| time(point.place.time)).collect(),
        latitude: points.iter().map(|point| point.place.latitude).collect(),
        longitude: points.iter().map(|point| point.place.longitude).collect(),
        value: with_values.then(|| points.iter().map(|point| point.value).collect()),
    }
}

/// A feature for each segment: a line, or a point where it has only one. Dropped days are a member beside them.
pub(super) fn geojson(with: Option<&str>, segments: &[Segment], dropped: &[DroppedDay]) -> Value {
    let feature = |segment: &Segment| {
        let positions: Vec<[f64; 2]> = segment
            .points
            .iter()
            .map(|point| [point.place.longitude, point.place.latitude])
            .collect();
        let geometry = match positions.as_slice() {
            [only] => json!({"type": "Point", "coordinates": only}),
            _ => json!({"type": "LineString", "coordinates": positions}),
        };
        let times: Vec<Time> = segment.points.iter().map(|point| time(point.place.time)).collect();
        let mut properties = json!({
            "device": segment.device,
            "from": time(segment.from),
            "to": time(segment.to),
            "distance": segment.distance,
            "movingTime": seconds(segment.moving_time),
            "timestamps": times,
        });
        if with.is_some() {
            let values: Vec<Option<f64>> = segment.points.iter().map(|point| point.value).collect();
            properties["values"] = json!(values);
        }
        json!({"type": "Feature", "geometry": geometry, "properties": properties})
    };
    let features: Vec<Value> = segments.iter().map(feature).collect();
    let mut collection = json!({"type": "FeatureCollection", "features": features});
    if !dropped.is_empty() {
        collection["dropped"] = json!(dropped);
    }
    collection
}

/// A track for each device, with its segments, and links to the dumps of dropped days. Names of devices need no
/// escaping.
pub(super) fn gpx(segments: &[Segment], dropped: &[DroppedDay]) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gpx version=\"1.1\" creator=\"Odograph\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n",
    );
    // Writing to a text cannot fail.
    if !dropped.is_empty() {
        text.push_str("<metadata>\n<desc>Days that retention has dropped are in dumps.</desc>\n");
        for day in dropped {
            let _written = writeln!(text, "<link href=\"{}\"><text>{}</text></link>", day.url, day.date);
        }
        text.push_str("</metadata>\n");
    }
    for of_device in segments.chunk_by(|one, next| one.device == next.device) {
        let Some(first) = of_device.first() else { continue };
        let _written = writeln!(text, "<trk><name>{}</name>", first.device);
        for segment in of_device {
            text.push_str("<trkseg>\n");
            for Point { place, .. } in &segment.points {
                let _written = writeln!(
                    text,
                    "<trkpt lat=\"{}\" lon=\"{}\"><time>{}</time></trkpt>",
                    place.latitude,
                    place.longitude,
                    time(place.time)
                );
            }
            text.push_str("</trkseg>\n");
        }
        text.push_str("</trk>\n");
    }
    text.push_str("</gpx>\n");
    text
}

fn time(moment: i64) -> Time {
    Time(timestamp(moment))
}
