//! Answers of several series, in rows and in columns; points; and what such answers are limited to.

use super::*;
use crate::Options;
use axum::http::StatusCode;

/// The detail of a 400.
async fn refused(api: &Api, query: &str) -> String {
    let (status, problem) = api.get(&format!("/api/trends?{query}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {problem}");
    problem["detail"].as_str().unwrap().to_owned()
}

async fn series_of(api: &Api, query: &str) -> Vec<Value> {
    let answer = api.ok(&format!("/api/trends?{query}")).await;
    answer["series"].as_array().unwrap().clone()
}

#[tokio::test]
async fn several_sensors() {
    let api = Api::with(&HOUR).await;
    let expected = json!({
        "from": "2021-02-28T10:00:00Z",
        "to": "2021-02-28T11:00:00Z",
        "aggregation": "30m",
        "series": [
            {"device": null, "sensor": "speed", "unit": "km/h", "raw": false, "buckets": [
                {"timestamp": "2021-02-28T10:00:00Z", "avg": 1.0, "count": 3},
                {"timestamp": "2021-02-28T10:30:00Z", "avg": 9.0, "count": 2},
            ]},
            {"device": null, "sensor": "never:seen", "unit": null, "raw": false, "buckets": []},
            {"device": null, "sensor": "fuel", "unit": "%", "raw": false, "buckets": [
                {"timestamp": "2021-02-28T10:00:00Z", "avg": 50.0, "count": 1},
            ]},
        ],
    });
    let query = format!("{SPAN}&sensor=never:seen&sensor=fuel&aggregation=30m&function=avg,count");
    assert_eq!(api.ok(&format!("/api/trends?{query}")).await, expected);
    let of_saab = series_of(&api, &format!("{query}&device=saab")).await;
    assert_eq!(of_saab[0]["device"], "saab");
    assert_eq!(of_saab[0]["buckets"][0]["avg"], -2.0);
    assert_eq!(of_saab[2]["buckets"], json!([]));
}

#[tokio::test]
async fn each_device_has_the_numbers_of_a_question_for_it_alone() {
    let mut readings = HOUR.to_vec();
    // Sums that depend on their order.
    readings.extend([
        ("Volvo", "speed", "2021-02-28T10:01:00Z", 1e17),
        ("Volvo", "speed", "2021-02-28T10:02:00Z", 0.1),
        ("Volvo", "speed", "2021-02-28T10:03:00Z", -1e17),
    ]);
    let api = Api::with(&readings).await;
    let functions = "function=avg,min,max,sum,count,first,last,stddev,p50,p95";
    let query = format!("sensor=fuel&{SPAN}&{functions}&fill=null");
    let series = series_of(&api, &format!("{query}&by=device")).await;
    let names: Vec<[&str; 2]> = series
        .iter()
        .map(|series| ["sensor", "device"].map(|member| series[member].as_str().unwrap()))
        .collect();
    // Bytewise, capitals come first.
    let expected = [
        ["fuel", "lada"],
        ["speed", "Volvo"],
        ["speed", "lada"],
        ["speed", "saab"],
    ];
    assert_eq!(names, expected);
    for (series, [sensor, device]) in series.iter().zip(names) {
        let alone = format!(
            "{}&device={device}",
            query.replace("sensor=fuel&sensor=speed", &format!("sensor={sensor}"))
        );
        assert_eq!(
            series["buckets"],
            json!(buckets_of(&api, &alone).await),
            "{sensor} {device}"
        );
    }
    let of_saab = series_of(&api, &format!("{query}&by=device&device=saab")).await;
    assert_eq!(of_saab, series[3..]);
    assert_eq!(
        series_of(&api, &format!("{query}&by=device&device=nobody")).await,
        Vec::<Value>::new()
    );
}

#[tokio::test]
async fn columns_hold_what_rows_hold() {
    let api = Api::with(&HOUR).await;
    let members = [
        "avg", "min", "max", "sum", "count", "first", "last", "stddev", "p50", "p95",
    ];
    for (fill, told) in [("none", 2), ("null", 4), ("zero", 4), ("previous", 4), ("linear", 4)] {
        for width in ["aggregation=15m", "points=4", "points=2000"] {
            let query = format!("{SPAN}&function={}&fill={fill}&{width}", members.join(","));
            let rows = buckets_of(&api, &query).await;
            let series = series_of(&api, &format!("{query}&layout=columns")).await;
            assert_eq!(series.len(), 1);
            let columns = &series[0]["buckets"];
            assert_eq!(columns.as_object().unwrap().len(), members.len() + 1);
            for member in members.into_iter().chain(["timestamp"]) {
                let expected: Vec<&Value> = rows.iter().map(|row| &row[member]).collect();
                assert_eq!(columns[member], json!(expected), "{query}: {member}");
            }
            let told = if width == "points=2000" { 5 } else { told };
            assert_eq!(rows.len(), told, "{query}");
        }
    }
    // Without a fill, gaps of columns are null.
    let columns = series_of(&api, &format!("{SPAN}&layout=columns&function=count,avg")).await;
    let expected = json!({
        "timestamp": ["2021-02-28T10:00:00Z", "2021-02-28T10:15:00Z", "2021-02-28T10:30:00Z", "2021-02-28T10:45:00Z"],
        "count": [3, null, null, 2],
        "avg": [1.0, null, null, 9.0],
    });
    assert_eq!(columns[0]["buckets"], expected);
}

#[tokio::test]
async fn up_to_as_many_points_readings_are_given_as_they_are() {
    let api = Api::with(&HOUR).await;
    api.add(&[("Volvo", "speed", "2021-02-28T10:07:00Z", -3.0)]).await;
    let expected = json!({
        "sensor": "speed",
        "device": null,
        "from": "2021-02-28T10:00:00Z",
        "to": "2021-02-28T11:00:00Z",
        "aggregation": "10m",
        "raw": true,
        "buckets": [
            {"timestamp": "2021-02-28T10:00:00Z", "avg": 1.0, "min": 1.0, "max": 1.0, "count": 1, "stddev": null, "p95": 1.0},
            {"timestamp": "2021-02-28T10:07:00Z", "avg": -3.0, "min": -3.0, "max": -3.0, "count": 1, "stddev": null, "p95": -3.0},
            {"timestamp": "2021-02-28T10:07:00Z", "avg": -2.0, "min": -2.0, "max": -2.0, "count": 1, "stddev": null, "p95": -2.0},
            {"timestamp": "2021-02-28T10:14:59.999999Z", "avg": 4.0, "min": 4.0, "max": 4.0, "count": 1, "stddev": null, "p95": 4.0},
            {"timestamp": "2021-02-28T10:45:00Z", "avg": 8.0, "min": 8.0, "max": 8.0, "count": 1, "stddev": null, "p95": 8.0},
            {"timestamp": "2021-02-28T10:59:59.999999Z", "avg": 10.0, "min": 10.0, "max": 10.0, "count": 1, "stddev": null, "p95": 10.0},
        ],
    });
    let query = format!("{SPAN}&function=avg,min,max,count,stddev,p95");
    for fill in ["", "&fill=zero"] {
        assert_eq!(api.ok(&format!("/api/trends?{query}&points=6{fill}")).await, expected);
    }
    let fewer = api.ok(&format!("/api/trends?{query}&points=5")).await;
    assert_eq!((&fewer["aggregation"], &fewer["raw"]), (&json!("15m"), &Value::Null));
    assert_eq!(fewer["buckets"].as_array().unwrap().len(), 2);
    // Each series by itself.
    let series = series_of(&api, &format!("{SPAN}&sensor=fuel&points=5")).await;
    let raw: Vec<&Value> = series.iter().map(|series| &series["raw"]).collect();
    assert_eq!(raw, [&json!(false), &json!(true)]);
    assert_eq!(
        series[1]["buckets"],
        json!([{"timestamp": "2021-02-28T10:20:00Z", "avg": 50.0}])
    );
}

#[tokio::test]
async fn the_narrowest_width_that_fits() {
    let mut readings: Vec<Reading<'_>> = Vec::new();
    let times: Vec<String> = (0..20).map(|second| format!("2021-02-28T10:00:{second:02}Z")).collect();
    readings.extend(times.iter().map(|time| ("lada", "x", &**time, 1.0)));
    let api = Api::with(&readings).await;
    for (to, points, expected) in [
        ("10:00:10Z", 10, "1s"),
        ("10:00:10Z", 9, "2s"),
        ("10:00:10Z", 2, "5s"),
        ("10:00:10Z", 1, "10s"),
        ("10:00:11Z", 1, "15s"),
        ("10:00:20Z", 1, "30s"),
        ("10:00:31Z", 1, "1m"),
        ("10:02:00Z", 1, "2m"),
        ("10:03:00Z", 1, "5m"),
        ("10:06:00Z", 1, "10m"),
        ("10:11:00Z", 1, "15m"),
        ("10:30:00Z", 1, "30m"),
        ("11:00:00Z", 1, "1h"),
        ("12:00:00Z", 1, "3h"),
        ("16:00:00Z", 2, "6h"),
        ("23:00:00Z", 2, "12h"),
        ("23:00:00Z", 1, "1d"),
    ] {
        let query = format!("sensor=x&from=2021-02-28T10:00:00Z&to=2021-02-28T{to}&points={points}");
        let answer = api.ok(&format!("/api/trends?{query}")).await;
        assert_eq!(answer["aggregation"], expected, "{query}");
        assert!(answer["buckets"].as_array().unwrap().len() <= points, "{query}");
    }
    // Weeks begin on Thursday without a zone, and on Monday in one.
    for (tz, from, start) in [
        ("", "2021-02-26T00:00:00Z", "2021-02-25T00:00:00Z"),
        ("&tz=UTC", "2021-02-22T00:00:00Z", "2021-02-22T00:00:00Z"),
        ("&tz=Europe/Berlin", "2021-02-22T00:00:00Z", "2021-02-21T23:00:00Z"),
    ] {
        let query = format!("sensor=x&from={from}&to=2021-02-28T11:00:00Z&points=1{tz}");
        let answer = api.ok(&format!("/api/trends?{query}")).await;
        assert_eq!(
            (&answer["aggregation"], &answer["buckets"][0]["timestamp"]),
            (&json!("1w"), &json!(start)),
            "{query}"
        );
    }
    // Where no width fits, readings are given as they are, or none.
    let long = "sensor=x&from=1921-02-28T10:00:00Z&to=2021-03-01T00:00:00Z";
    assert_eq!(
        refused(&api, &format!("{long}&points=19")).await,
        "points: no width up to a week fits: ask for more points or a shorter span, or write an aggregation such as 1mo"
    );
    let raw = api.ok(&format!("/api/trends?{long}&points=20")).await;
    assert_eq!((&raw["raw"], &raw["aggregation"]), (&json!(true), &Value::Null));
    assert_eq!(raw["buckets"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn answers_are_limited() {
    let api = Api::start().await;
    let days = |days: usize| format!("from=2021-01-01T00:00:00Z&to=2021-01-{:02}T00:00:00Z", days + 1);
    let sensors = |number: usize| {
        (0..number)
            .map(|number| format!("sensor=s{number}&"))
            .collect::<String>()
    };
    // 5 times 10,000 buckets.
    let seconds = "from=2021-01-01T00:00:00Z&to=2021-01-01T02:46:40Z&aggregation=1s";
    assert_eq!(series_of(&api, &format!("{}{seconds}", sensors(5))).await.len(), 5);
    assert_eq!(
        refused(&api, &format!("{}{seconds}", sensors(6))).await,
        "6 series with up to 10000 buckets each are more than the 50000 buckets of one answer: name a device, or ask for fewer sensors, fewer points, a wider aggregation or a shorter span"
    );
    let many = "these are more than the 500 series of one answer: name a device, or ask for fewer sensors";
    assert_eq!(refused(&api, &format!("{}{}", sensors(501), days(1))).await, many);
    api.execute(
        "INSERT INTO series (device, sensor) SELECT 'car' || number, 'x' FROM generate_series(1, 501) AS number",
    )
    .await;
    let by_device = format!("sensor=x&by=device&{}", days(1));
    assert_eq!(refused(&api, &format!("{by_device}&aggregation=1d")).await, many);
    api.execute("DELETE FROM series WHERE device = 'car501'").await;
    assert!(
        refused(&api, &by_device.replace("&by", "&aggregation=10m&by"))
            .await
            .starts_with("500 series with up to 144")
    );
    assert_eq!(series_of(&api, &format!("{by_device}&aggregation=1d")).await.len(), 500);
    assert_eq!(series_of(&api, &format!("{by_device}&points=100")).await.len(), 500);
    assert!(
        refused(&api, &format!("{by_device}&points=101"))
            .await
            .starts_with("500 series with up to 101")
    );
}

#[tokio::test]
async fn other_limits_are_kept_and_told() {
    let api = Api::start_with(Options {
        trends: TrendLimits {
            trend_max_buckets: 4,
            trend_max_all_buckets: 6,
            trend_max_series: 2,
            trend_max_points: 5,
        },
        ..Options::default()
    })
    .await;
    let hour = "from=2021-01-01T10:00:00Z&to=2021-01-01T11:00:00Z";
    for (query, expected) in [
        (
            "sensor=x&aggregation=10m",
            "6 buckets are more than the 4 of one answer: ask for a wider aggregation or a shorter span",
        ),
        (
            "sensor=x&sensor=y&aggregation=15m",
            "2 series with up to 4 buckets each are more than the 6 buckets of one answer: name a device, or ask for fewer sensors, fewer points, a wider aggregation or a shorter span",
        ),
        (
            "sensor=x&sensor=y&sensor=z&aggregation=all",
            "these are more than the 2 series of one answer: name a device, or ask for fewer sensors",
        ),
        ("sensor=x&points=6", "points: write a number from 1 to 5"),
    ] {
        assert_eq!(refused(&api, &format!("{query}&{hour}")).await, expected, "{query}");
    }
    for query in ["sensor=x&aggregation=15m", "sensor=x&points=5"] {
        api.ok(&format!("/api/trends?{query}&{hour}")).await;
    }
}

#[tokio::test]
async fn wrong_widths_and_points_are_told_why() {
    let api = Api::start().await;
    for (query, expected) in [
        ("points=0", "points: write a number from 1 to 2000"),
        ("points=2001", "points: write a number from 1 to 2000"),
        ("points=-1", "points: write a number from 1 to 2000"),
        ("points=many", "points: write a whole number"),
        (
            "points=10&aggregation=1h",
            "points: it sets the aggregation; give one of them",
        ),
        (
            "tz=Europe/Atlantis",
            "tz: not a time zone: write a name such as Europe/Berlin, or UTC",
        ),
        (
            "tz=%2B02:00",
            "tz: not a time zone: write a name such as Europe/Berlin, or UTC",
        ),
        ("by=sensor", "by: write device"),
        ("layout=rows&layout=columns", "layout: given twice; give it once"),
        ("layout=table", "layout: write one of rows or columns"),
        (
            "aggregation=1d12h&tz=Europe/Berlin",
            "aggregation: a day of a zone may have 23 or 25 hours: write days or weeks alone, such as 2d, or hours, such as 36h",
        ),
        (
            "aggregation=5mo",
            "aggregation: months and years stand alone: write 1mo, 2mo, 3mo, 4mo, 6mo, or whole years such as 1y, to 100y",
        ),
    ] {
        assert_eq!(refused(&api, &format!("sensor=x&{query}")).await, expected, "{query}");
    }
    let long = "sensor=x&from=1921-02-28T00:00:00Z&to=2021-02-28T00:00:00Z&aggregation=1d&tz=Europe/Berlin";
    assert_eq!(
        refused(&api, long).await,
        "36526 buckets are more than the 10000 of one answer: ask for a wider aggregation or a shorter span"
    );
}
