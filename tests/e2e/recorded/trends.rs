//! Buckets that are filled, of points, of several series and of a day; `crate::trends` has all functions and zones.

use super::fleet::{DEVICES, Fleet};
use super::zones::{moment, text, utc_date};
use super::{SECOND, unit};
use crate::trends::plain::{NAMES, Point, Unit, Values, ZONES, Zone, buckets, filled, is_near};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: i64 = 60 * SECOND;

const FILLS: [&str; 5] = ["none", "null", "zero", "previous", "linear"];

/// The widths to which a number of points leads, in seconds.
const WIDTHS: [(&str, i64); 18] = [
    ("1s", 1),
    ("2s", 2),
    ("5s", 5),
    ("10s", 10),
    ("15s", 15),
    ("30s", 30),
    ("1m", 60),
    ("2m", 120),
    ("5m", 300),
    ("10m", 600),
    ("15m", 900),
    ("30m", 1800),
    ("1h", 3600),
    ("3h", 10_800),
    ("6h", 21_600),
    ("12h", 43_200),
    ("1d", 86_400),
    ("1w", 604_800),
];

type Buckets = BTreeMap<i64, Option<Values>>;

/// The value before a span: of two devices at one moment, that of the first one.
fn before(points: &[Point<'_>], from: i64) -> Option<f64> {
    let last = points.iter().rfind(|(time, ..)| *time < from)?.0;
    points.iter().find(|(time, ..)| *time == last).map(|(.., value)| *value)
}

/// The same columns as an answer in rows has them.
fn columns(rows: &[Value]) -> Value {
    let names = NAMES.into_iter().chain(["timestamp"]);
    names
        .map(|name| {
            let column = rows.iter().map(|row| row[name].clone()).collect();
            (name.to_owned(), Value::Array(column))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Fails unless the columns are those of these buckets, filled.
fn check(found: &Value, expected: &Buckets, fill: &str, before: Option<f64>, what: &str) {
    let is_told = |values: &Option<Values>| fill != "none" || values.is_some();
    let told: Vec<bool> = expected.values().map(is_told).collect();
    let starts: Vec<i64> = expected
        .keys()
        .zip(&told)
        .filter(|(_, told)| **told)
        .map(|(start, _)| *start)
        .collect();
    let found_starts = found["timestamp"].as_array().unwrap().iter();
    let found_starts: Vec<i64> = found_starts.map(|start| moment(start.as_str().unwrap())).collect();
    assert_eq!(found_starts, starts, "{what}");
    for (at, name) in NAMES.into_iter().enumerate() {
        let values = filled(expected, at, fill, before).into_iter().zip(&told);
        let values: Vec<Option<f64>> = values.filter(|(_, told)| **told).map(|(value, _)| value).collect();
        let column = found[name].as_array().unwrap();
        assert_eq!(column.len(), values.len(), "{what}");
        for (start, (found, expected)) in starts.iter().zip(column.iter().zip(values)) {
            assert!(
                is_near(found.as_f64(), expected),
                "{what}: {name} from {} is {found}, not {expected:?}",
                text(*start)
            );
        }
    }
}

/// Spans that begin where nothing was before, and on the way: from and to.
fn spans(points: &[Point<'_>]) -> [(i64, i64); 2] {
    let first = points[0].0;
    let begin = first - first.rem_euclid(60 * MINUTE);
    [
        (begin - 60 * MINUTE, begin + 120 * MINUTE),
        (first + 7 * MINUTE + 1, begin + 100 * MINUTE),
    ]
}

#[tokio::test]
async fn empty_buckets_are_filled() {
    let fleet = Fleet::start(&["speed"]).await;
    let (functions, zones) = (NAMES.join(","), &ZONES);
    for device in [None, Some("gap"), Some("late")] {
        let points = fleet.of_sensor(device, "speed");
        let of = device.map(|device| format!("&device={device}")).unwrap_or_default();
        let mut asked: Vec<((i64, i64), Unit, &Zone)> = Vec::new();
        for span in spans(&points) {
            asked.extend([60, 900].map(|seconds| (span, Unit::Seconds(seconds), &zones[0])));
        }
        if device == Some("gap") {
            // Some of these days have no drive.
            let span = (points[0].0, points[0].0 + 5 * 1440 * MINUTE);
            asked.extend(zones[..3].iter().map(|zone| (span, Unit::Days, zone)));
        }
        for (span, unit, zone) in asked {
            let expected = buckets(&points, span, unit, zone);
            assert!(
                expected.values().any(Option::is_none),
                "{span:?} {unit:?}: no bucket is empty"
            );
            let before = before(&points, span.0);
            for fill in FILLS {
                let query = format!(
                    "trends?sensor=speed{of}&from={}&to={}&aggregation={}&tz={}&function={functions}&fill={fill}",
                    text(span.0),
                    text(span.1),
                    unit.text(),
                    zone.name
                );
                let answer = fleet.ok(&query).await;
                let rows = columns(answer["buckets"].as_array().unwrap());
                check(&rows, &expected, fill, before, &query);
                let answer = fleet.ok(&format!("{query}&layout=columns")).await;
                check(&answer["series"][0]["buckets"], &expected, fill, before, &query);
            }
        }
    }
}

#[tokio::test]
async fn several_series() {
    let fleet = Fleet::start(&["speed", "fuel"]).await;
    let span = spans(&fleet.of_sensor(None, "speed"))[0];
    let query = format!(
        "trends?sensor=speed&sensor=fuel&from={}&to={}&aggregation=5m&function={}",
        text(span.0),
        text(span.1),
        NAMES.join(",")
    );
    let by_sensor = fleet.ok(&query).await;
    let by_device = fleet.ok(&format!("{query}&by=device&layout=columns")).await;
    let mut of_devices = by_device["series"].as_array().unwrap().iter();
    for (at, sensor) in ["speed", "fuel"].into_iter().enumerate() {
        let series = &by_sensor["series"][at];
        assert_eq!((&series["sensor"], &series["device"]), (&json!(sensor), &Value::Null));
        let expected = buckets(&fleet.of_sensor(None, sensor), span, Unit::Seconds(300), &ZONES[0]);
        let rows = columns(series["buckets"].as_array().unwrap());
        check(&rows, &expected, "none", None, sensor);
        for device in DEVICES {
            let series = of_devices.next().unwrap();
            assert_eq!((&series["sensor"], &series["device"]), (&json!(sensor), &json!(device)));
            assert_eq!(series["unit"].as_str(), unit(sensor));
            let points = fleet.of_sensor(Some(device), sensor);
            let expected = buckets(&points, span, Unit::Seconds(300), &ZONES[0]);
            check(
                &series["buckets"],
                &expected,
                "null",
                None,
                &format!("{sensor} {device}"),
            );
        }
    }
    assert!(of_devices.next().is_none());
}

#[tokio::test]
async fn points_are_readings_or_the_narrowest_buckets() {
    let fleet = Fleet::start(&["speed"]).await;
    let functions = NAMES.join(",");
    let mut raw = 0;
    for device in [None, Some("gap")] {
        let points = fleet.of_sensor(device, "speed");
        let of = device.map(|device| format!("&device={device}")).unwrap_or_default();
        let mut spans = spans(&points).to_vec();
        spans.push((points[0].0 + SECOND, points[0].0 + 5 * MINUTE));
        for (from, to) in spans {
            let held: Vec<Point<'_>> = points
                .iter()
                .filter(|(time, ..)| (from..to).contains(time))
                .copied()
                .collect();
            for most in [1, 5, 100, held.len() - 1, held.len(), 2000] {
                if most > 2000 {
                    continue;
                }
                let query = format!(
                    "trends?sensor=speed{of}&from={}&to={}&points={most}&function={functions}&layout=columns",
                    text(from),
                    text(to)
                );
                let answer = fleet.ok(&query).await;
                let series = &answer["series"][0];
                let most = i64::try_from(most).unwrap();
                let fits = |width: i64| (to - 1).div_euclid(width) - from.div_euclid(width) < most;
                let (name, width) = *WIDTHS.iter().find(|(_, width)| fits(width * SECOND)).unwrap();
                assert_eq!(answer["aggregation"], name, "{query}");
                let is_raw = i64::try_from(held.len()).unwrap() <= most;
                assert_eq!(series["raw"], is_raw, "{query}");
                if is_raw {
                    raw += 1;
                    check_raw(&series["buckets"], &held, &query);
                } else {
                    let expected = buckets(&points, (from, to), Unit::Seconds(width), &ZONES[0]);
                    check(&series["buckets"], &expected, "null", None, &query);
                }
            }
        }
    }
    assert!(raw > 0, "no answer has the readings themselves");
}

/// Fails unless each bucket is a reading of its own.
fn check_raw(found: &Value, held: &[Point<'_>], what: &str) {
    let times: Vec<String> = held.iter().map(|(time, ..)| text(*time)).collect();
    assert_eq!(found["timestamp"], Value::from(times), "{what}");
    for name in NAMES {
        let expected = held.iter().map(|(.., value)| match name {
            "count" => Some(1.0),
            "stddev" => None,
            _ => Some(*value),
        });
        let found = found[name].as_array().unwrap().iter().map(Value::as_f64);
        assert!(found.eq(expected), "{what}: {name}");
    }
}

#[tokio::test]
async fn quarters_of_days() {
    let fleet = Fleet::start(&["speed"]).await;
    for device in [None, Some("gap")] {
        let points = fleet.of_sensor(device, "speed");
        let of = device.map(|device| format!("&device={device}")).unwrap_or_default();
        let mut days: BTreeSet<_> = points.iter().map(|(time, ..)| utc_date(*time)).collect();
        // A day without a reading, and one before all.
        days.extend([
            days.last().unwrap().tomorrow().unwrap(),
            days.first().unwrap().yesterday().unwrap(),
        ]);
        for day in days {
            let from = moment(&format!("{day}T00:00:00Z"));
            let expected = buckets(&points, (from, from + 1440 * MINUTE), Unit::Seconds(900), &ZONES[0]);
            assert_eq!(expected.len(), 96);
            let before = before(&points, from);
            for (asked, fill) in FILLS
                .map(|fill| (format!("fill={fill}"), fill))
                .into_iter()
                .chain([(String::new(), "zero")])
            {
                let path = format!("statistics/sensor/speed/date/{day}?{asked}{of}");
                let answer = fleet.ok(&path.replace("?&", "?")).await;
                let averages = filled(&expected, 0, fill, before);
                let averages = expected.iter().zip(averages);
                let averages: Vec<_> = averages
                    .filter(|((_, values), _)| fill != "none" || values.is_some())
                    .collect();
                let found = answer.as_array().unwrap();
                assert_eq!(found.len(), averages.len(), "{path}");
                for (found, ((start, _), average)) in found.iter().zip(averages) {
                    assert_eq!(found["sensor"], "speed");
                    assert_eq!(found["timestamp"], text(*start), "{path}");
                    assert!(
                        is_near(found["value"].as_f64(), average),
                        "{path}: {found}, not {average:?}"
                    );
                }
            }
        }
    }
}
