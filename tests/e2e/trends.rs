//! Trends of real recordings, in several zones, equal to a plain computation over their lines.

use crate::source::bodies;
use crate::system::System;
use jiff::Timestamp;
use plain::{NAMES, Point, Unit, ZONES, Zone, buckets, filled, is_near, micros};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[path = "../../internal/query/trend/tests/plain.rs"]
pub(crate) mod plain;

/// The sensors that are compared.
const SENSORS: [&str; 3] = ["speed", "revolution", "location_latitude"];

/// An hour, in microseconds.
const HOUR: i64 = 3_600_000_000;

/// Readings by device and sensor: values by time.
type Recordings = BTreeMap<(String, String), BTreeMap<i64, f64>>;

/// The recordings, each of a device of its own.
async fn recordings() -> Recordings {
    let mut all = Recordings::new();
    for (number, body) in bodies().await.into_iter().enumerate() {
        for line in body.text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let sensor = line["sensor"].as_str().unwrap();
            if SENSORS.contains(&sensor) {
                let series = all.entry((format!("car{number}"), sensor.to_owned())).or_default();
                let time = micros(line["timestamp"].as_str().unwrap());
                series.entry(time).or_insert(line["value"].as_f64().unwrap());
            }
        }
    }
    all
}

fn text(moment: i64) -> String {
    Timestamp::from_microsecond(moment).unwrap().to_string()
}

#[tokio::test]
async fn as_by_a_plain_computation() {
    let recordings = recordings().await;
    let lines: Vec<String> = recordings
        .iter()
        .flat_map(|((device, sensor), series)| {
            let line = move |(time, value): (&i64, &f64)| {
                let line = json!({"device": device, "sensor": sensor, "value": value, "timestamp": text(*time)});
                line.to_string() + "\n"
            };
            series.iter().map(line)
        })
        .collect();
    let system = System::start(1).await;
    // Every second line late, and the others twice.
    for skipped in [0, 1, 0] {
        let body: String = lines.iter().skip(skipped).step_by(2).map(String::as_str).collect();
        let (status, answer) = system.post(body).await;
        assert_eq!(status, 200, "{answer}");
    }
    system.wait_for_rows(i64::try_from(lines.len()).unwrap()).await;
    for ((device, sensor), series) in &recordings {
        let points: Vec<Point<'_>> = series.iter().map(|(time, value)| (*time, &**device, *value)).collect();
        let span = (points[0].0 - HOUR, points[points.len() - 1].0 + HOUR);
        for unit in [Unit::Seconds(30), Unit::Seconds(900), Unit::All] {
            check(&system, sensor, &points, span, unit, &ZONES[0]).await;
        }
        for zone in &ZONES {
            for unit in [Unit::Days, Unit::Weeks, Unit::Months(1)] {
                check(&system, sensor, &points, span, unit, zone).await;
            }
        }
    }
}

async fn check(system: &System, sensor: &str, points: &[Point<'_>], span: (i64, i64), unit: Unit, zone: &Zone) {
    let query = format!(
        "trends?sensor={sensor}&device={}&from={}&to={}&aggregation={}&tz={}&fill=null&layout=columns&function={}",
        points[0].1,
        text(span.0),
        text(span.1),
        unit.text(),
        zone.name,
        NAMES.join(",")
    );
    let (status, answer) = system.get(&query).await;
    assert_eq!(status, 200, "{query}: {answer}");
    let found = &answer["series"][0]["buckets"];
    let expected = buckets(points, span, unit, zone);
    let starts = found["timestamp"].as_array().unwrap().iter();
    let starts: Vec<i64> = starts.map(|start| micros(start.as_str().unwrap())).collect();
    assert!(
        expected.keys().eq(&starts),
        "{query}: {starts:?}, not {:?}",
        expected.keys()
    );
    for (at, name) in NAMES.into_iter().enumerate() {
        let expected = filled(&expected, at, "null", None);
        let column = found[name].as_array().unwrap();
        assert_eq!(column.len(), expected.len(), "{query}");
        for (start, (found, expected)) in starts.iter().zip(column.iter().zip(expected)) {
            assert!(
                is_near(found.as_f64(), expected),
                "{query}: {name} from {start} is {found}, not {expected:?}"
            );
        }
    }
}
