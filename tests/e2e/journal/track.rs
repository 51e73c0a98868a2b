//! A post made offline on a recorded drive, and sent a day later: it stands where an independent computation has it.

use super::{journal, post};
use crate::gps::{gpsbabel, gpxpy};
use crate::source::bodies;
use crate::system::System;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Of the two readings of a place, and of a place before a post: as the programs have them.
const PAIRING: i64 = 10_000_000;
const REACH: i64 = 300_000_000;

/// Readings of the recording that are uploaded.
const LINES: usize = 20_000;

/// The last place at or before each moment: latitude, longitude, time.
///
/// By comparing all points: two are a place if each is the nearest of the other kind to the other one. At equal distances,
/// a latitude prefers the longitude after it, and a longitude the latitude before it.
fn place(latitudes: &BTreeMap<i64, f64>, longitudes: &BTreeMap<i64, f64>, moment: i64) -> Option<(f64, f64, i64)> {
    let span = moment - REACH - 3 * PAIRING..moment + 3 * PAIRING;
    let near =
        |points: &BTreeMap<i64, f64>| -> Vec<i64> { points.range(span.clone()).map(|(time, _)| *time).collect() };
    let (latitude_times, longitude_times) = (near(latitudes), near(longitudes));
    let mut last = None;
    for latitude in &latitude_times {
        let to_latitude = longitude_times
            .iter()
            .min_by_key(|other| ((*other - latitude).abs(), *other < latitude));
        let Some(longitude) = to_latitude else { continue };
        let back = latitude_times
            .iter()
            .min_by_key(|other| ((*other - longitude).abs(), *other > longitude));
        let time = *latitude.max(longitude);
        let (north, east) = (latitudes[latitude], longitudes[longitude]);
        let is_place = north.abs() <= 90.0 && east.abs() <= 180.0 && (north != 0.0 || east != 0.0);
        if back == Some(latitude)
            && (latitude - longitude).abs() <= PAIRING
            && is_place
            && (moment - REACH..=moment).contains(&time)
            && last.is_none_or(|(_, _, before)| time >= before)
        {
            last = Some((north, east, time));
        }
    }
    last
}

#[tokio::test]
async fn a_late_post_stands_where_its_device_was() {
    let bodies = bodies().await;
    let recording = bodies
        .iter()
        .find(|body| body.name.contains("visnjan"))
        .unwrap_or(&bodies[0]);
    let lines: Vec<Value> = recording
        .text
        .lines()
        .take(LINES)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut sensors: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    for line in &lines {
        let time: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        let sensor = sensors.entry(line["sensor"].as_str().unwrap().to_owned()).or_default();
        // The first value of a moment stays.
        sensor
            .entry(time.as_microsecond())
            .or_insert(line["value"].as_f64().unwrap());
    }
    let all: Vec<i64> = sensors.values().flat_map(|points| points.keys().copied()).collect();
    let (first, last) = (*all.iter().min().unwrap(), *all.iter().max().unwrap());
    let moments: Vec<i64> = (0..40)
        .map(|at| (first + (last - first) * at / 39) / 1000 * 1000)
        .collect();
    let system = System::start(1).await;
    let mut journal = journal(&system.database).start().await;
    let mut ids = Vec::new();
    for moment in &moments {
        let at = Timestamp::from_microsecond(*moment).unwrap().to_string();
        let body = json!({"text": "on the way #track", "device": "lada", "created_at": at});
        ids.push(post(&mut journal, "anna", &body).await);
    }
    // Before the readings, no entry has a place.
    let (_, answer) = system.get("journal?hashtag=track&limit=100").await;
    assert!(
        answer["messages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|message| message["place"].is_null())
    );
    let mut body = String::new();
    for line in &lines {
        let mut line = line.clone();
        line["device"] = "lada".into();
        body += &format!("{line}\n");
    }
    assert_eq!(system.post(body).await.0, 200);
    let rows = sensors.values().map(BTreeMap::len).sum::<usize>();
    system.wait_for_rows(i64::try_from(rows).unwrap()).await;
    let (status, answer) = system.get("journal?hashtag=track&limit=100&with=readings").await;
    assert_eq!(status, 200, "{answer}");
    let none = BTreeMap::new();
    let of = |sensor: &str| sensors.get(sensor).unwrap_or(&none);
    let (latitudes, longitudes) = (of("location_latitude"), of("location_longitude"));
    let mut placed = 0;
    for (moment, id) in moments.iter().zip(&ids) {
        let messages = answer["messages"].as_array().unwrap();
        let message = messages.iter().find(|message| message["id"] == **id).unwrap();
        let expected = place(latitudes, longitudes, *moment);
        let found = message["place"].as_object().map(|place| {
            let time: Timestamp = place["timestamp"].as_str().unwrap().parse().unwrap();
            (
                place["latitude"].as_f64().unwrap(),
                place["longitude"].as_f64().unwrap(),
                time.as_microsecond(),
            )
        });
        assert_eq!(found, expected, "{moment}: {message}");
        placed += usize::from(found.is_some());
        for (sensor, points) in &sensors {
            let last = points.range(moment - REACH..=*moment).next_back();
            assert_eq!(
                message["readings"][sensor]["value"].as_f64(),
                last.map(|(_, value)| *value),
                "{sensor} at {moment}"
            );
        }
    }
    assert!(placed > 10, "{placed} entries have a place");
    // As a map has it.
    let url = format!("{}/journal?hashtag=track&limit=100&format=gpx", system.api_url);
    let gpx = system.http.get(url).send().await.unwrap().text().await.unwrap();
    let read = gpxpy(&gpx).await;
    assert_eq!(read["waypoints"], json!(placed));
    // The track of all of it, as GPS tools read it.
    let span = [first, last + 1].map(|time| Timestamp::from_microsecond(time).unwrap().to_string());
    let asked = format!("location/track?device=lada&from={}&to={}", span[0], span[1]);
    let (status, answer) = system.get(&asked).await;
    assert_eq!(status, 200, "{answer}");
    let segments = answer["segments"].as_array().unwrap().iter();
    let points: usize = segments
        .map(|segment| segment["points"].as_array().unwrap().len())
        .sum();
    assert!(points > 10, "{points} points");
    let url = format!("{}/{asked}&format=gpx", system.api_url);
    let gpx = system.http.get(url).send().await.unwrap().text().await.unwrap();
    let read = gpxpy(&gpx).await;
    assert_eq!(read["points"], json!(points));
    assert_eq!(gpsbabel(&gpx).len(), points);
}
