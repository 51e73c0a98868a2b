use super::*;
use crate::tests::Api;
use serde_json::{Value, json};

#[test]
fn days() {
    for (text, start, end) in [
        ("2021-02-28", "2021-02-28T00:00:00Z", "2021-03-01T00:00:00Z"),
        ("2020-02-29", "2020-02-29T00:00:00Z", "2020-03-01T00:00:00Z"),
        ("1999-12-31", "1999-12-31T00:00:00Z", "2000-01-01T00:00:00Z"),
    ] {
        let expected = Day {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
        };
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
    for text in [
        "",
        "2021-02-29",
        "2021-13-01",
        "2021-00-01",
        "+021-02-03",
        "2021-W05-03",
        "2021-02-03 ",
        "２０２１",
    ] {
        assert!(text.parse::<Day>().is_err(), "{text:?}");
    }
}

#[tokio::test]
async fn the_latest_of_each_sensor() {
    let api = Api::with(&[
        ("lada", "speed", "2021-02-28T10:00:00Z", 55.5),
        ("lada", "speed", "2021-02-28T09:00:00Z", 10.0),
        ("saab", "speed", "2021-02-28T09:59:59.999Z", 99.0),
        ("saab", "fuel", "2020-01-01T00:00:00.000001Z", 42.0),
        ("volvo", "oil", "2021-02-28T10:00:00Z", 3.0),
        ("Volvo", "oil", "2021-02-28T10:00:00Z", 2.0),
        ("saab", "revolution", "2021-02-01T00:00:00.100Z", 900.0),
    ])
    .await;
    let expected = json!({
        "speed": 55.5,
        "fuel": 42.0,
        "engineTemperature": null,
        "revolutions": 900.0,
        "sensors": {
            "speed": {"device": "lada", "value": 55.5, "unit": "km/h", "timestamp": "2021-02-28T10:00:00Z"},
            "fuel": {"device": "saab", "value": 42.0, "unit": "%", "timestamp": "2020-01-01T00:00:00.000001Z"},
            // Bytewise, capitals come first.
            "oil": {"device": "Volvo", "value": 2.0, "unit": null, "timestamp": "2021-02-28T10:00:00Z"},
            "revolution": {"device": "saab", "value": 900.0, "unit": "rpm", "timestamp": "2021-02-01T00:00:00.100Z"},
        },
    });
    assert_eq!(api.ok("/api/statistics/latest").await, expected);
    let lada = api.ok("/api/statistics/latest?device=lada").await;
    assert_eq!((&lada["speed"], &lada["fuel"]), (&json!(55.5), &Value::Null));
    assert_eq!(lada["sensors"].as_object().unwrap().len(), 1);
    let nobody = json!({"speed": null, "fuel": null, "engineTemperature": null, "revolutions": null, "sensors": {}});
    assert_eq!(api.ok("/api/statistics/latest?device=nobody").await, nobody);
}

/// The buckets that are not a filled zero: their number in the day and value.
fn set(day: &Value) -> Vec<(usize, f64)> {
    let buckets = day.as_array().unwrap();
    assert_eq!(buckets.len(), 96);
    let values = buckets.iter().map(|bucket| bucket["value"].as_f64().unwrap());
    values.enumerate().filter(|(_, value)| *value != 0.0).collect()
}

#[tokio::test]
async fn averages_of_a_day() {
    let api = Api::with(&[
        ("lada", "speed", "2021-02-27T23:59:59.999999Z", 1000.0),
        ("lada", "speed", "2021-02-28T00:00:00Z", 1.0),
        ("lada", "speed", "2021-02-28T00:14:59.999999Z", 2.0),
        ("saab", "speed", "2021-02-28T00:07:00Z", 6.0),
        ("lada", "speed", "2021-02-28T00:45:00Z", 9.0),
        ("saab", "speed", "2021-02-28T23:59:59.999999Z", 7.0),
        ("saab", "speed", "2021-03-01T00:00:00Z", 1000.0),
        ("lada", "fuel", "2021-02-28T12:00:00Z", 50.0),
    ])
    .await;
    let day = "/api/statistics/sensor/speed/date/2021-02-28";
    let zero = api.ok(day).await;
    assert_eq!(set(&zero), [(0, 3.0), (3, 9.0), (95, 7.0)]);
    assert_eq!(
        zero[0],
        json!({"sensor": "speed", "value": 3.0, "timestamp": "2021-02-28T00:00:00Z"})
    );
    assert_eq!(zero[95]["timestamp"], "2021-02-28T23:45:00Z");
    assert_eq!(set(&api.ok(&format!("{day}?device=lada")).await), [(0, 1.5), (3, 9.0)]);

    let null = api.ok(&format!("{day}?fill=null")).await;
    assert_eq!((&null[1]["value"], &null[3]["value"]), (&Value::Null, &json!(9.0)));
    let previous = api.ok(&format!("{day}?fill=previous&device=lada")).await;
    assert_eq!(
        (&previous[1]["value"], &previous[94]["value"]),
        (&json!(1.5), &json!(9.0))
    );
    // The last value before the day.
    let after = api
        .ok("/api/statistics/sensor/speed/date/2021-03-02?fill=previous&device=lada")
        .await;
    assert_eq!(set(&after), (0..96).map(|bucket| (bucket, 9.0)).collect::<Vec<_>>());
    let fuel = api.ok(&format!("{day}?fill=previous").replace("speed", "fuel")).await;
    assert_eq!((&fuel[47]["value"], &fuel[48]["value"]), (&Value::Null, &json!(50.0)));
    let linear = api.ok(&format!("{day}?fill=linear")).await;
    assert!(
        (linear[1]["value"].as_f64().unwrap() - 5.0).abs() < 1e-9,
        "{}",
        linear[1]
    );
    let none = api.ok(&format!("{day}?fill=none")).await;
    let starts: Vec<&Value> = none
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| &bucket["timestamp"])
        .collect();
    assert_eq!(
        starts,
        ["2021-02-28T00:00:00Z", "2021-02-28T00:45:00Z", "2021-02-28T23:45:00Z"]
    );
}

#[tokio::test]
async fn a_sensor_or_a_day_without_readings() {
    let api = Api::with(&[("lada", "speed", "2021-02-28T00:00:00Z", 1.0)]).await;
    for path in [
        "/api/statistics/sensor/never:seen/date/2021-02-28",
        "/api/statistics/sensor/speed/date/1815-06-18",
    ] {
        assert_eq!(set(&api.ok(path).await), []);
        assert_eq!(api.ok(&format!("{path}?fill=none")).await, json!([]));
        let null = api.ok(&format!("{path}?fill=null")).await;
        assert!(null.as_array().unwrap().iter().all(|bucket| bucket["value"].is_null()));
    }
}

#[tokio::test]
async fn averages_whose_sums_leave_the_range_of_a_double() {
    let api = Api::with(&[
        ("lada", "x", "2021-02-28T00:00:00Z", 1.7e308),
        ("lada", "x", "2021-02-28T00:01:00Z", 1.7e308),
        ("lada", "x", "2021-02-28T00:15:00Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:16:00Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:30:00Z", f64::MAX),
        ("lada", "x", "2021-02-28T00:31:00Z", f64::MIN),
        ("lada", "x", "2021-02-28T00:45:00Z", 5e-324),
        ("lada", "x", "2021-02-28T00:46:00Z", 0.0),
        ("lada", "x", "2021-02-28T01:00:00Z", 0.1),
        ("lada", "x", "2021-02-28T01:15:00Z", 5e-324),
    ])
    .await;
    let day = api.ok("/api/statistics/sensor/x/date/2021-02-28").await;
    assert_eq!(set(&day), [(0, 1.7e308), (1, f64::MAX), (4, 0.1), (5, 5e-324)]);
}
