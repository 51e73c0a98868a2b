//! Tracks: their segments, forms, values, and lines of fewer points.

use super::fleet::{DEVICES, Fleet, LATITUDE, LONGITUDE};
use super::places::{Place, Segment, check_line, places, segments, value_near};
use super::zones::{ZONES, moment, text};
use super::{is_close, seconds};
use crate::gps::{gpsbabel, gpxpy};
use serde_json::{Value, json};
use std::ops::Range;

/// All places of a device.
fn all_places(fleet: &Fleet, device: &str) -> Vec<Place> {
    places(&fleet.series(device, LATITUDE), &fleet.series(device, LONGITUDE))
}

/// The segments of a device in a span. A reading outside it may pair with one inside.
fn expected(fleet: &Fleet, device: &str, span: &Range<i64>) -> Vec<Segment> {
    let mut places = all_places(fleet, device);
    places.retain(|place| span.contains(&place.time));
    segments(&places)
}

/// A point of a segment in rows.
fn row(point: &Value) -> Place {
    let number = |member: &str| point[member].as_f64().unwrap();
    Place {
        time: moment(point["timestamp"].as_str().unwrap()),
        latitude: number("latitude"),
        longitude: number("longitude"),
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// Fails unless a segment is this one, but for its points.
fn check_sums(found: &Value, device: &str, expected: &Segment, what: &str) {
    let (first, last) = (expected.places[0], expected.places[expected.places.len() - 1]);
    let ends = [device, &text(first.time), &text(last.time)];
    assert_eq!(["device", "from", "to"].map(|member| &found[member]), ends, "{what}");
    assert!(
        is_close(&found["distance"], expected.distance),
        "{what}: {} m, not {}",
        found["distance"],
        expected.distance
    );
    assert_eq!(found["movingTime"], expected.moving_time, "{what}");
}

/// Spans that have places: the last day in each zone, and one that begins and ends on the way.
fn spans(fleet: &Fleet) -> Vec<(String, Range<i64>)> {
    let all = all_places(fleet, "ordered");
    let last = all[all.len() - 1].time;
    let mut spans: Vec<(String, Range<i64>)> = ZONES
        .iter()
        .map(|zone| {
            let date = zone.date(last);
            let after = date.tomorrow().unwrap();
            let query = format!("from={date}&to={after}&tz={}", zone.name);
            (query, zone.midnight(date)..zone.midnight(after))
        })
        .collect();
    let within = all[all.len() - 90].time..all[all.len() - 5].time;
    let query = format!("from={}&to={}", text(within.start), text(within.end));
    spans.push((query, within));
    spans
}

#[tokio::test]
async fn tracks_in_all_forms() {
    let fleet = Fleet::start(&["speed", LATITUDE, LONGITUDE]).await;
    let mut several = 0;
    for (query, span) in spans(&fleet) {
        let mut all = Vec::new();
        for device in DEVICES {
            let expected = expected(&fleet, device, &span);
            assert!(!expected.is_empty(), "{device} {query}");
            several += usize::from(expected.len() > 1);
            all.extend(expected.into_iter().map(|segment| (device, segment)));
        }
        let of = |device: Option<&'static str>| {
            let segments = all
                .iter()
                .filter(move |(of, _)| device.is_none_or(|device| device == *of));
            segments.map(|(device, segment)| (*device, segment)).collect::<Vec<_>>()
        };
        check(&fleet, &query, &of(None)).await;
        for device in DEVICES {
            check(&fleet, &format!("{query}&device={device}"), &of(Some(device))).await;
        }
    }
    assert!(several > 0, "no track has a gap");
}

/// Fails unless a track has these segments, in all forms.
async fn check(fleet: &Fleet, query: &str, expected: &[(&'static str, &Segment)]) {
    let rows = fleet.ok(&format!("location/track?{query}&with=speed")).await;
    let columns = fleet
        .ok(&format!("location/track?{query}&with=speed&layout=columns"))
        .await;
    let map = fleet
        .ok(&format!("location/track?{query}&with=speed&format=geojson"))
        .await;
    assert_eq!(
        (&rows["with"], &rows["unit"]),
        (&json!("speed"), &json!("km/h")),
        "{query}"
    );
    for lists in [&rows["segments"], &columns["segments"], &map["features"]] {
        assert_eq!(list(lists).len(), expected.len(), "{query}");
    }
    for (at, (device, segment)) in expected.iter().enumerate() {
        let what = format!("{query}, segment {at}");
        let (row_points, columns) = (&rows["segments"][at], &columns["segments"][at]);
        check_sums(row_points, device, segment, &what);
        check_sums(columns, device, segment, &what);
        let found: Vec<Place> = list(&row_points["points"]).iter().map(row).collect();
        assert_eq!(found, segment.places, "{what}");
        let speeds = fleet.series(device, "speed");
        let values: Vec<Option<f64>> = segment
            .places
            .iter()
            .map(|place| value_near(&speeds, place.time))
            .collect();
        let found: Vec<Option<f64>> = list(&row_points["points"])
            .iter()
            .map(|point| point["value"].as_f64())
            .collect();
        assert_eq!(found, values, "{what}");
        let times: Vec<String> = segment.places.iter().map(|place| text(place.time)).collect();
        let latitudes: Vec<f64> = segment.places.iter().map(|place| place.latitude).collect();
        let longitudes: Vec<f64> = segment.places.iter().map(|place| place.longitude).collect();
        let expected = json!({"timestamp": times, "latitude": latitudes, "longitude": longitudes, "value": values});
        assert_eq!(columns["points"], expected, "{what}");
        let feature = &map["features"][at];
        check_sums(&feature["properties"], device, segment, &what);
        assert_eq!(feature["properties"]["timestamps"], json!(times), "{what}");
        assert_eq!(feature["properties"]["values"], json!(values), "{what}");
        let positions: Vec<[f64; 2]> = segment
            .places
            .iter()
            .map(|place| [place.longitude, place.latitude])
            .collect();
        let geometry = match positions.as_slice() {
            [only] => json!({"type": "Point", "coordinates": only}),
            _ => json!({"type": "LineString", "coordinates": positions}),
        };
        assert_eq!(feature["geometry"], geometry, "{what}");
    }
}

#[tokio::test]
async fn lines_of_fewer_points() {
    let fleet = Fleet::start(&[LATITUDE, LONGITUDE]).await;
    let (query, span) = spans(&fleet).swap_remove(0);
    for device in DEVICES {
        let expected = expected(&fleet, device, &span);
        let all: usize = expected.iter().map(|segment| segment.places.len()).sum();
        // Each segment has both ends.
        let least = 2 * expected.len();
        for (asked, metres, most) in [
            ("simplify=5".to_owned(), 5.0, all - 1),
            ("simplify=50".to_owned(), 50.0, all / 2),
            (format!("points={all}"), 1.0, all),
            (format!("points={}", all / 3), f64::INFINITY, all / 3),
            (format!("points={least}"), f64::INFINITY, least),
        ] {
            let what = format!("{query}&device={device}&{asked}");
            let answer = fleet.ok(&format!("location/track?{what}")).await;
            let segments = list(&answer["segments"]);
            assert_eq!(segments.len(), expected.len(), "{what}");
            let mut kept = 0;
            for (found, expected) in segments.iter().zip(&expected) {
                // Sums are over all places.
                check_sums(found, device, expected, &what);
                let points: Vec<Place> = list(&found["points"]).iter().map(row).collect();
                kept += points.len();
                // The plane of another place of the line is another one by less than that.
                check_line(&points, &expected.places, metres * 1.001, &what);
            }
            assert!(kept <= most, "{what}: {kept} points");
        }
    }
}

/// A point as GPS tools read it, with the moment in microseconds.
type Read = (i64, f64, f64);

#[tokio::test]
async fn gps_tools_read_the_points_of_a_track() {
    let fleet = Fleet::start(&[LATITUDE, LONGITUDE]).await;
    let (query, span) = spans(&fleet).swap_remove(0);
    let gpx = fleet.text(&format!("location/track?{query}&format=gpx")).await;
    let read = gpxpy(&gpx).await;
    let tracks = list(&read["tracks"]);
    assert_eq!(tracks.len(), DEVICES.len());
    let mut all: Vec<Read> = Vec::new();
    for (track, device) in tracks.iter().zip(DEVICES) {
        assert_eq!(track["name"], device);
        let expected: Vec<Vec<Read>> = expected(&fleet, device, &span)
            .iter()
            .map(|segment| {
                let read = |place: &Place| (place.time, place.latitude, place.longitude);
                segment.places.iter().map(read).collect()
            })
            .collect();
        let read = |point: &Value| {
            let number = |at: usize| point[at].as_f64().unwrap();
            (moment(point[0].as_str().unwrap()), number(1), number(2))
        };
        let segments = list(&track["segments"]).iter();
        let found: Vec<Vec<Read>> = segments
            .map(|segment| list(segment).iter().map(read).collect())
            .collect();
        assert_eq!(found, expected, "{device}");
        all.extend(expected.concat());
    }
    // It writes ten digits.
    let read = gpsbabel(&gpx);
    assert_eq!(read.len(), all.len());
    for ((time, latitude, longitude), expected) in read.iter().zip(&all) {
        assert_eq!(moment(time), expected.0);
        assert!((latitude - expected.1).abs() < 1e-9 && (longitude - expected.2).abs() < 1e-9);
    }
    let length = seconds(all[all.len() - 1].0 - all[0].0);
    assert!(length > 60.0 && all.len() > 50, "{} points in {length} s", all.len());
}
