mod arrival;
mod calendar;
mod plain;
mod questions;
mod series;

use super::aggregation::WIDEST;
use super::functions::Functions;
use super::*;
use crate::tests::{Api, Reading};
use crate::words::bucket::{Calendar, Function, Width};
use jiff::tz::TimeZone;
use reading::time::SECOND;
use serde_json::{Value, json};

#[test]
fn widths() {
    for (text, expected) in [
        ("1s", Some(SECOND)),
        ("1500ms", Some(1_500_000)),
        ("30s", Some(30 * SECOND)),
        ("15m", Some(900 * SECOND)),
        ("1h30m", Some(5400 * SECOND)),
        ("1d", Some(86_400 * SECOND)),
        ("2w", Some(14 * 86_400 * SECOND)),
        ("36500d", Some(WIDEST)),
        ("36500d1s", None),
        ("999ms", None),
        ("0s", None),
        ("-15m", None),
        ("1s1ns", None),
        ("15", None),
        ("", None),
        ("soon", None),
    ] {
        let width = Aggregation::try_from(text.to_owned()).ok();
        let width = width.map(|width| width.width(None).unwrap());
        assert_eq!(width, expected.map(Width::Every), "{text:?}");
    }
}

#[test]
fn widths_of_the_calendar() {
    use Calendar::{Days, Months, Weeks};
    const HOUR: i64 = 3600 * SECOND;
    let zone = Zone::try_from("Europe/Berlin".to_owned()).unwrap();
    let here = |units| Some(Width::Calendar(units, zone.0.clone()));
    let utc = |units| Some(Width::Calendar(units, TimeZone::UTC));
    let every = |width| Some(Width::Every(width));
    for (text, alone, in_zone) in [
        ("1d", every(24 * HOUR), here(Days(1))),
        ("7d", every(168 * HOUR), here(Days(7))),
        ("1w", every(168 * HOUR), here(Weeks(1))),
        ("2w", every(336 * HOUR), here(Weeks(2))),
        // Hours are hours everywhere.
        ("24h", every(24 * HOUR), every(24 * HOUR)),
        ("30m", every(HOUR / 2), every(HOUR / 2)),
        ("1mo", utc(Months(1)), here(Months(1))),
        ("3mo", utc(Months(3)), here(Months(3))),
        ("12mo", utc(Months(12)), here(Months(12))),
        ("1y", utc(Months(12)), here(Months(12))),
        ("1y12mo", utc(Months(24)), here(Months(24))),
        ("100y", utc(Months(1200)), here(Months(1200))),
        ("all", Some(Width::All), Some(Width::All)),
        // A day and a half has no length in a zone.
        ("1d12h", every(36 * HOUR), None),
        ("1w1d", every(192 * HOUR), None),
        // These do not divide a year.
        ("5mo", None, None),
        ("18mo", None, None),
        ("1mo1d", None, None),
        ("-1mo", None, None),
        ("101y", None, None),
        ("ALL", None, None),
    ] {
        let aggregation = Aggregation::try_from(text.to_owned()).ok();
        let width = |zone| aggregation.as_ref().and_then(|asked| asked.width(zone).ok());
        assert_eq!(width(None), alone, "{text}");
        assert_eq!(width(Some(&zone)), in_zone, "{text} in a zone");
    }
}

#[test]
fn functions() {
    use Function::{Avg, Count, First, Last, Max, Min, P50, P95, Stddev, Sum};
    for (text, expected) in [
        ("avg", Some(vec![Avg])),
        (
            "last,first,count,max,min,avg",
            Some(vec![Last, First, Count, Max, Min, Avg]),
        ),
        ("p95,p50,stddev,sum", Some(vec![P95, P50, Stddev, Sum])),
        ("", None),
        ("avg,", None),
        ("avg,avg", None),
        ("min,max,min", None),
        ("mean", None),
        ("AVG", None),
        ("avg, min", None),
    ] {
        let functions = Functions::try_from(text.to_owned()).ok();
        assert_eq!(functions.map(|functions| functions.0), expected, "{text:?}");
    }
}

/// The buckets of an answer.
async fn buckets_of(api: &Api, query: &str) -> Vec<Value> {
    let answer = api.ok(&format!("/api/trends?{query}")).await;
    answer["buckets"].as_array().unwrap().clone()
}

/// The start of each bucket after the date, and one member.
async fn column(api: &Api, query: &str, member: &str) -> Vec<(String, Option<f64>)> {
    let buckets = buckets_of(api, query).await;
    let one = buckets.iter().map(|bucket| {
        let start = bucket["timestamp"].as_str().unwrap();
        (start["2021-02-28T".len()..].to_owned(), bucket[member].as_f64())
    });
    one.collect()
}

const SPAN: &str = "sensor=speed&from=2021-02-28T10:00:00Z&to=2021-02-28T11:00:00Z";

const HOUR: [Reading<'_>; 8] = [
    ("lada", "speed", "2021-02-28T09:59:59.999999Z", 1000.0),
    ("lada", "speed", "2021-02-28T10:14:59.999999Z", 4.0),
    ("lada", "speed", "2021-02-28T10:00:00Z", 1.0),
    ("saab", "speed", "2021-02-28T10:07:00Z", -2.0),
    ("saab", "speed", "2021-02-28T10:45:00Z", 8.0),
    ("lada", "speed", "2021-02-28T10:59:59.999999Z", 10.0),
    ("lada", "speed", "2021-02-28T11:00:00Z", 1000.0),
    ("lada", "fuel", "2021-02-28T10:20:00Z", 50.0),
];

#[tokio::test]
async fn an_answer() {
    let api = Api::with(&HOUR).await;
    let path = format!("/api/trends?{SPAN}&function=count,avg,min,max,first,last");
    let expected = json!({
        "sensor": "speed",
        "device": null,
        "from": "2021-02-28T10:00:00Z",
        "to": "2021-02-28T11:00:00Z",
        "aggregation": "15m",
        "buckets": [
            {"timestamp": "2021-02-28T10:00:00Z", "count": 3, "avg": 1.0, "min": -2.0, "max": 4.0, "first": 1.0, "last": 4.0},
            {"timestamp": "2021-02-28T10:45:00Z", "count": 2, "avg": 9.0, "min": 8.0, "max": 10.0, "first": 8.0, "last": 10.0},
        ],
    });
    assert_eq!(api.ok(&path).await, expected);

    let of_saab = json!({
        "sensor": "speed",
        "device": "saab",
        "from": "2021-02-28T10:00:00.500Z",
        "to": "2021-02-28T12:00:00Z",
        "aggregation": "1h",
        "buckets": [{"timestamp": "2021-02-28T10:00:00Z", "avg": 3.0}],
    });
    let path = "/api/trends?sensor=speed&device=saab&from=2021-02-28T11:00:00.5%2B01:00&to=2021-02-28T12:00:00Z&aggregation=1h";
    assert_eq!(api.ok(path).await, of_saab);
}

#[tokio::test]
async fn each_function_by_itself_and_for_each_device() {
    let api = Api::with(&HOUR).await;
    let pair = |first: f64, last: f64| {
        vec![
            ("10:00:00Z".to_owned(), Some(first)),
            ("10:45:00Z".to_owned(), Some(last)),
        ]
    };
    for (device, function, expected) in [
        ("", "avg", pair(1.0, 9.0)),
        ("", "min", pair(-2.0, 8.0)),
        ("", "max", pair(4.0, 10.0)),
        ("", "count", pair(3.0, 2.0)),
        ("", "first", pair(1.0, 8.0)),
        ("", "last", pair(4.0, 10.0)),
        ("&device=lada", "avg", pair(2.5, 10.0)),
        ("&device=lada", "count", pair(2.0, 1.0)),
        ("&device=saab", "last", pair(-2.0, 8.0)),
        ("&device=nobody", "count", vec![]),
        ("&device=nobody", "last", vec![]),
    ] {
        let query = format!("{SPAN}{device}&function={function}");
        assert_eq!(column(&api, &query, function).await, expected, "{function}{device}");
        let members = buckets_of(&api, &query).await;
        let only = |bucket: &Value| bucket.as_object().unwrap().len() == 2;
        assert!(members.iter().all(only), "{function}{device}: {members:?}");
    }
}

#[tokio::test]
async fn gaps_are_filled_as_asked() {
    let api = Api::with(&HOUR).await;
    let ends = [json!([4.0, 2.5, 2]), json!([10.0, 10.0, 1])];
    for (fill, gap) in [
        ("", None),
        ("&fill=none", None),
        (
            "&fill=null",
            Some([json!([null, null, null]), json!([null, null, null])]),
        ),
        ("&fill=zero", Some([json!([0.0, 0.0, 0]), json!([0.0, 0.0, 0])])),
        ("&fill=previous", Some([json!([4.0, 2.5, 0]), json!([4.0, 2.5, 0])])),
        ("&fill=linear", Some([json!([6.0, 5.0, 0]), json!([8.0, 7.5, 0])])),
    ] {
        let buckets = buckets_of(&api, &format!("{SPAN}&function=max,avg,count&device=lada{fill}")).await;
        let found: Vec<Value> = buckets
            .iter()
            .map(|bucket| json!([bucket["max"], bucket["avg"], bucket["count"]]))
            .collect();
        let [first, last] = ends.clone();
        let expected: Vec<Value> = [first]
            .into_iter()
            .chain(gap.into_iter().flatten())
            .chain([last])
            .collect();
        assert_eq!(found, expected, "{fill}");
    }
}

#[tokio::test]
async fn filling_with_the_previous_begins_before_the_span() {
    let api = Api::with(&[
        ("lada", "x", "2019-02-28T10:00:00Z", 1.0),
        ("lada", "x", "2021-02-28T09:00:00Z", 2.0),
        ("saab", "x", "2021-02-28T09:00:00Z", 3.0),
        ("saab", "x", "2021-02-28T10:50:00Z", 4.0),
        ("lada", "y", "2021-02-28T09:59:59Z", 5.0),
    ])
    .await;
    let four = |values: [Option<f64>; 4]| values.to_vec();
    for (from, query, expected) in [
        // At equal times, the bytewise smaller device's.
        (
            "2021-02-28T10:00:00Z",
            "",
            four([Some(2.0), Some(2.0), Some(2.0), Some(4.0)]),
        ),
        (
            "2021-02-28T10:00:00Z",
            "&device=saab",
            four([Some(3.0), Some(3.0), Some(3.0), Some(4.0)]),
        ),
        ("2021-02-28T10:00:00Z", "&device=lada", four([Some(2.0); 4])),
        ("2021-02-28T10:00:00Z", "&device=nobody", four([None; 4])),
        // Two years ago; a reading in the span is not before it.
        ("2021-02-28T09:00:00Z", "", four([Some(2.5); 4])),
        (
            "2021-02-28T08:45:00Z",
            "",
            four([Some(1.0), Some(2.5), Some(2.5), Some(2.5)]),
        ),
        (
            "2021-02-28T08:45:00Z",
            "&device=saab",
            four([None, Some(3.0), Some(3.0), Some(3.0)]),
        ),
        (
            "2019-02-28T09:45:00Z",
            "",
            four([None, Some(1.0), Some(1.0), Some(1.0)]),
        ),
    ] {
        let from: Timestamp = from.parse().unwrap();
        let to = Timestamp::from_second(from.as_second() + 3600).unwrap();
        let query = format!("sensor=x&from={from}&to={to}&function=avg,last,count&fill=previous{query}");
        let buckets = buckets_of(&api, &query).await;
        let averages: Vec<_> = buckets.iter().map(|bucket| bucket["avg"].as_f64()).collect();
        assert_eq!(averages, expected, "{query}");
        assert_eq!(buckets[0]["last"].is_null(), expected[0].is_none(), "{query}");
        assert!(buckets.iter().all(|bucket| bucket["count"].is_u64()), "{query}");
    }
    // A span that begins within a bucket: readings before the span fill that bucket.
    let within = "sensor=x&device=saab&from=2021-02-28T09:00:00.000001Z&to=2021-02-28T09:30:00Z&fill=previous";
    assert_eq!(
        column(&api, within, "avg").await,
        [("09:00:00Z".to_owned(), Some(3.0)), ("09:15:00Z".to_owned(), Some(3.0))]
    );
}

#[tokio::test]
async fn a_sensor_never_seen_has_empty_buckets() {
    let api = Api::with(&HOUR).await;
    let span = SPAN.replace("speed", "never:seen");
    for (fill, buckets, average) in [
        ("none", 0, None),
        ("zero", 4, Some(json!(0.0))),
        ("null", 4, Some(Value::Null)),
        ("previous", 4, Some(Value::Null)),
        ("linear", 4, Some(Value::Null)),
    ] {
        let found = buckets_of(&api, &format!("{span}&fill={fill}")).await;
        assert_eq!(found.len(), buckets, "{fill}");
        assert_eq!(found.last().map(|bucket| bucket["avg"].clone()), average, "{fill}");
    }
}

#[tokio::test]
async fn at_equal_times_the_bytewise_smaller_device_is_first_and_last() {
    // Bytewise, capitals come first; stored in another order.
    let mut readings = vec![
        ("b", "x", "2021-02-28T10:00:00Z", 1.0),
        ("a", "x", "2021-02-28T10:00:00Z", 2.0),
        ("Z", "x", "2021-02-28T10:00:00Z", 3.0),
        ("b", "x", "2021-02-28T10:00:59Z", 4.0),
        ("a", "x", "2021-02-28T10:00:59Z", 5.0),
    ];
    // Enough series for a sweep.
    let many: Vec<String> = (0..3).map(|number| format!("many{number}")).collect();
    readings.extend(many.iter().map(|device| (&**device, "x", "2021-02-28T10:00:30Z", 9.0)));
    let api = Api::with(&readings).await;
    let expected = json!({"timestamp": "2021-02-28T10:00:00Z", "first": 3.0, "last": 5.0, "count": 8});
    for (way, to) in [("seek", "2021-02-28T11:00:00Z"), ("sweep", "2021-03-06T00:00:00Z")] {
        let query =
            format!("sensor=x&from=2021-02-28T10:00:00Z&to={to}&aggregation=1m&function=first,last,count&fill=none");
        assert_eq!(json!(buckets_of(&api, &query).await), json!([expected]), "{way}");
    }
    let narrow =
        "sensor=x&from=2021-02-28T10:00:00Z&to=2021-02-28T10:01:00Z&aggregation=59s&function=first,last&fill=none";
    let starts = column(&api, narrow, "first").await;
    assert_eq!(
        starts,
        [("09:59:45Z".to_owned(), Some(3.0)), ("10:00:44Z".to_owned(), Some(5.0))]
    );
}

#[tokio::test]
async fn buckets_are_aligned_to_the_epoch_and_hold_the_span_only() {
    let api = Api::with(&[
        ("lada", "x", "2021-02-28T10:01:00Z", 1.0),
        ("lada", "x", "2021-02-28T10:02:00Z", 2.0),
        ("lada", "x", "2021-02-28T10:16:00Z", 3.0),
        ("lada", "x", "2021-02-28T10:17:00Z", 4.0),
    ])
    .await;
    let at = |start: &str, average| (start.to_owned(), Some(average));
    for (from, to, width, expected) in [
        (
            "10:02:00Z",
            "10:17:00Z",
            "15m",
            vec![at("10:00:00Z", 2.0), at("10:15:00Z", 3.0)],
        ),
        (
            "10:01:00.000001Z",
            "10:17:00.000001Z",
            "15m",
            vec![at("10:00:00Z", 2.0), at("10:15:00Z", 3.5)],
        ),
        ("10:02:00Z", "10:17:00Z", "1d", vec![at("00:00:00Z", 2.5)]),
        ("10:02:00Z", "10:02:00.000001Z", "1s", vec![at("10:02:00Z", 2.0)]),
        ("10:02:00.000001Z", "10:16:00Z", "1s", vec![]),
        // 1,614,506,520 s since the epoch are 7 times 230,643,788 and 4.
        ("10:02:00Z", "10:03:00Z", "7s", vec![at("10:01:56Z", 2.0)]),
        (
            "10:02:00Z",
            "10:17:00Z",
            "1500ms",
            vec![at("10:02:00Z", 2.0), at("10:16:00Z", 3.0)],
        ),
    ] {
        let query = format!("sensor=x&from=2021-02-28T{from}&to=2021-02-28T{to}&aggregation={width}");
        assert_eq!(column(&api, &query, "avg").await, expected, "{from} {to} {width}");
    }
}

#[tokio::test]
async fn months_meet() {
    let api = Api::with(&[
        ("lada", "x", "2021-01-31T23:59:59.999999Z", 1.0),
        ("lada", "x", "2021-02-01T00:00:00Z", 2.0),
        ("lada", "x", "2021-03-01T00:00:00Z", 6.0),
        ("lada", "x", "2021-02-28T23:59:30Z", 3.0),
        // December has no partition.
    ])
    .await;
    for (width, expected) in [
        // Weeks since the epoch begin on Thursdays.
        (
            "1w",
            json!([
                ["2021-01-28T00:00:00Z", 2, 1.0, 2.0],
                ["2021-02-25T00:00:00Z", 2, 3.0, 6.0]
            ]),
        ),
        (
            "1h",
            json!([
                ["2021-01-31T23:00:00Z", 1, 1.0, 1.0],
                ["2021-02-01T00:00:00Z", 1, 2.0, 2.0],
                ["2021-02-28T23:00:00Z", 1, 3.0, 3.0],
                ["2021-03-01T00:00:00Z", 1, 6.0, 6.0],
            ]),
        ),
    ] {
        let query = format!(
            "sensor=x&from=2020-12-15T00:00:00Z&to=2021-04-15T00:00:00Z&aggregation={width}&function=count,first,last"
        );
        let buckets = buckets_of(&api, &query).await;
        let found: Vec<Value> = buckets
            .iter()
            .map(|bucket| json!([bucket["timestamp"], bucket["count"], bucket["first"], bucket["last"]]))
            .collect();
        assert_eq!(Value::Array(found), expected, "{width}");
    }
}

#[tokio::test]
async fn averages_whose_sums_leave_the_range_of_a_double() {
    let api = Api::with(&[
        ("lada", "x", "2021-02-28T00:00:00Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:00:01Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:01:00Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:01:01Z", f64::MIN),
        ("lada", "x", "2021-02-28T00:02:00Z", 5e-324),
        ("lada", "x", "2021-02-28T00:02:01Z", 0.0),
        ("lada", "x", "2021-02-28T00:03:00Z", 0.1),
    ])
    .await;
    for width in ["1m", "30s"] {
        let query = format!(
            "sensor=x&from=2021-02-28T00:00:00Z&to=2021-02-28T00:04:00Z&aggregation={width}&function=avg,min,max,count"
        );
        let buckets = buckets_of(&api, &query).await;
        let found: Vec<[Option<f64>; 4]> = buckets
            .iter()
            .map(|bucket| ["avg", "min", "max", "count"].map(|member| bucket[member].as_f64()))
            .collect();
        let expected = [
            [f64::MAX, f64::MAX, f64::MAX, 2.0],
            [0.0, f64::MIN, f64::MAX, 2.0],
            [0.0, 0.0, 5e-324, 2.0],
            [0.1, 0.1, 0.1, 1.0],
        ];
        assert_eq!(found, expected.map(|bucket| bucket.map(Some)), "{width}");
    }
}
