//! All functions and fills, compared with a plain computation over random readings, in several zones and on both days
//! on which clocks change.

use super::plain::{NAMES, Point, Unit, ZONES, Zone, buckets, filled, is_near, micros};
use super::*;
use std::collections::BTreeMap;

/// Spans around the changes of the zones' clocks in 2026, over the ends of months.
const SPANS: [(&str, &str); 4] = [
    ("2026-03-06T10:20:30.5Z", "2026-03-10T22:00:00Z"),
    ("2026-03-27T00:00:00Z", "2026-04-07T00:00:00.000001Z"),
    ("2026-10-02T00:00:00Z", "2026-10-06T10:00:00Z"),
    ("2026-10-23T22:00:00Z", "2026-11-03T03:30:00Z"),
];

/// Random readings in and around a span: many in some hours, none in most; some of both devices at one moment.
fn random(state: &mut u64, (from, to): (i64, i64)) -> Vec<Point<'static>> {
    let mut below = |bound: i64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        i64::try_from(*state % u64::try_from(bound).unwrap()).unwrap()
    };
    let mut points = BTreeMap::new();
    while points.len() < 120 {
        let hour = from - 86_400 * SECOND + below((to - from) / (3600 * SECOND) + 48) * 3600 * SECOND;
        for _ in 0..below(12) {
            let time = hour + below(3600) * SECOND;
            let value = f64::from(i32::try_from(below(2_000_001)).unwrap()) / 1000.0 - 1000.0;
            points.insert((time, "lada"), value);
            if below(3) == 0 {
                points.insert((time, "saab"), value / 3.0);
            }
        }
    }
    // Within a span there is always a bucket with a single reading.
    points.insert((to - 1, "lada"), 7.5);
    points
        .into_iter()
        .map(|((time, device), value)| (time, device, value))
        .collect()
}

async fn check(api: &Api, points: &[Point<'_>], (from, to): (&str, &str), unit: Unit, zone: &Zone, fill: &str) {
    let span = (micros(from), micros(to));
    let expected = buckets(points, span, unit, zone);
    let earlier = points.iter().filter(|(time, ..)| *time < span.0);
    // At equal times, the bytewise smaller device's.
    let before = earlier
        .max_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)))
        .map(|(.., value)| *value);
    let query = format!(
        "sensor=x&from={from}&to={to}&aggregation={}&tz={}&fill={fill}&function={}",
        unit.text(),
        zone.name,
        NAMES.join(",")
    );
    let found = buckets_of(api, &query).await;
    let told: Vec<bool> = expected
        .values()
        .map(|values| values.is_some() || fill != "none")
        .collect();
    let starts = expected.keys().zip(&told).filter(|(_, told)| **told);
    let starts: Vec<String> = starts
        .map(|(start, _)| Time(Timestamp::from_microsecond(*start).unwrap()).to_string())
        .collect();
    let found_starts: Vec<&str> = found
        .iter()
        .map(|bucket| bucket["timestamp"].as_str().unwrap())
        .collect();
    assert_eq!(found_starts, starts, "{query}");
    for (at, name) in NAMES.into_iter().enumerate() {
        let values = filled(&expected, at, fill, before).into_iter().zip(&told);
        let values = values.filter(|(_, told)| **told).map(|(value, _)| value);
        for (bucket, value) in found.iter().zip(values) {
            assert!(
                is_near(bucket[name].as_f64(), value),
                "{query}: {name} of {bucket}, not {value:?}"
            );
        }
    }
}

#[tokio::test]
async fn as_by_a_plain_computation() {
    let mut state = 88_172_645_463_325_252;
    for (from, to) in SPANS {
        let points = random(&mut state, (micros(from), micros(to)));
        let api = Api::start().await;
        // In disorder, and the second half after the first questions.
        let late: Vec<Point<'_>> = points.iter().copied().skip(1).step_by(2).collect();
        let early: Vec<Point<'_>> = points.iter().copied().step_by(2).rev().collect();
        for (arrived, more) in [(early.clone(), early), (points.clone(), late)] {
            for (time, device, value) in more {
                let time = Timestamp::from_microsecond(time).unwrap().to_string();
                api.add(&[(device, "x", &time, value)]).await;
            }
            let mut arrived = arrived;
            arrived.sort_by_key(|(time, device, _)| (*time, *device));
            for zone in &ZONES {
                for unit in [
                    Unit::Seconds(900),
                    Unit::Days,
                    Unit::Weeks,
                    Unit::Months(1),
                    Unit::Months(3),
                    Unit::All,
                ] {
                    check(&api, &arrived, (from, to), unit, zone, "none").await;
                }
                for fill in ["null", "zero", "previous", "linear"] {
                    check(&api, &arrived, (from, to), Unit::Days, zone, fill).await;
                }
            }
            for fill in ["null", "zero", "previous", "linear"] {
                check(&api, &arrived, (from, to), Unit::Seconds(3600), &ZONES[0], fill).await;
            }
        }
    }
}

/// Many series, so that buckets are read in one pass.
#[tokio::test]
async fn days_of_many_series_are_those_of_the_zone() {
    let names: Vec<String> = (0..300).map(|number| format!("car{number:03}")).collect();
    let mut points: Vec<Point<'_>> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let at = i64::try_from(at).unwrap();
        let time = micros("2026-03-27T00:00:00Z") + at * 907 * SECOND;
        points.push((time, name, f64::from(i32::try_from(at % 17).unwrap())));
        points.push((time + 40 * 86_400 * SECOND, name, 1.0));
    }
    let api = Api::start().await;
    for (time, device, value) in &points {
        let time = Timestamp::from_microsecond(*time).unwrap().to_string();
        api.add(&[(device, "x", &time, *value)]).await;
    }
    // More than 20,000 ranges of the index in each half.
    let span = ("2026-03-20T12:00:00Z", "2026-08-20T12:00:00Z");
    for zone in &ZONES {
        for fill in ["none", "null", "previous"] {
            check(&api, &points, span, Unit::Days, zone, fill).await;
        }
    }
}

#[tokio::test]
async fn functions_beyond_the_range_of_a_double() {
    let api = Api::with(&[
        ("lada", "x", "2021-02-28T00:00:00Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:00:01Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:01:00Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:01:01Z", f64::MIN),
        ("lada", "x", "2021-02-28T00:02:00Z", 5e-324),
        ("lada", "x", "2021-02-28T00:02:01Z", 0.0),
        ("lada", "x", "2021-02-28T00:03:00Z", 1.0),
        ("lada", "x", "2021-02-28T00:03:01Z", 3.0),
    ])
    .await;
    let span = "sensor=x&from=2021-02-28T00:00:00Z&to=2021-02-28T00:04:00Z&aggregation=1m";
    let near = |found: f64, expected: f64| (found / 2.0 - expected / 2.0).abs() <= 1e-9 * expected.abs().max(1.0);
    for (name, expected) in [
        ("sum", [None, Some(0.0), Some(5e-324), Some(4.0)]),
        ("stddev", [Some(0.0), None, Some(0.0), Some(2_f64.sqrt())]),
        ("p50", [Some(f64::MAX), Some(0.0), Some(0.0), Some(2.0)]),
        ("p95", [Some(f64::MAX), Some(0.9 * f64::MAX), Some(5e-324), Some(2.9)]),
    ] {
        let buckets = buckets_of(&api, &format!("{span}&function={name}")).await;
        assert_eq!(buckets.len(), 4, "{name}");
        for (bucket, expected) in buckets.iter().zip(expected) {
            let found = bucket[name].as_f64();
            assert_eq!(found.is_some(), expected.is_some(), "{name}: {bucket}");
            let pair = found.zip(expected);
            assert!(
                pair.is_none_or(|(found, expected)| near(found, expected)),
                "{name}: {bucket}, not {expected:?}"
            );
        }
    }
}

#[tokio::test]
async fn percentiles_lie_between_values_of_any_size() {
    let least = f64::from_bits(1);
    // The first two buckets are asked for together, and so are the last two.
    let api = Api::with(&[
        ("lada", "x", "2021-02-28T00:00:00Z", f64::MIN),
        ("lada", "x", "2021-02-28T00:00:01Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:01:00Z", least),
        ("lada", "x", "2021-02-28T00:01:01Z", 3.0 * least),
        ("lada", "x", "2021-02-28T00:02:00Z", least),
        ("lada", "x", "2021-02-28T00:02:01Z", 3.0 * least),
        ("lada", "x", "2021-02-28T00:03:00Z", 0.1),
        ("lada", "x", "2021-02-28T00:03:01Z", 0.3),
    ])
    .await;
    let span = "sensor=x&from=2021-02-28T00:00:00Z&to=2021-02-28T00:04:00Z&aggregation=1m&function=min,max,p50,p95";
    let buckets = buckets_of(&api, span).await;
    assert_eq!(buckets.len(), 4);
    for bucket in &buckets {
        let [min, max, p50, p95] = ["min", "max", "p50", "p95"].map(|name| bucket[name].as_f64().unwrap());
        assert!(min <= p50 && p50 <= p95 && p95 <= max, "{bucket}");
    }
    // A neighbour that needs halves changes nothing here.
    for name in ["min", "max", "p50", "p95"] {
        assert_eq!(buckets[1][name], buckets[2][name], "{name}");
    }
    assert_eq!(buckets[1]["p50"].as_f64(), Some(2.0 * least));
}
