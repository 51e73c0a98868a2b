//! Both ways of reading, compared with buckets computed here; and late readings.

use super::*;
use std::collections::BTreeMap;

/// Readings of two devices and their order of arrival, from a pseudo-random sequence.
fn shuffled() -> Vec<(&'static str, i64, f64)> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut readings = BTreeMap::new();
    while readings.len() < 150 {
        let device = if next() % 2 == 0 { "lada" } else { "saab" };
        let second = i64::try_from(next() % 3600).unwrap();
        let value = f64::from(u32::try_from(next() % 2_000_001).unwrap()) / 1000.0 - 1000.0;
        readings.insert((device, second), (next(), value));
    }
    let mut readings: Vec<_> = readings.into_iter().collect();
    readings.sort_by_key(|(_, (order, _))| *order);
    readings
        .into_iter()
        .map(|((device, second), (_, value))| (device, second, value))
        .collect()
}

/// 2021-02-28T23:30:00Z: a month ends in the middle of the next hour.
const START: i64 = 1_614_555_000;

fn expected(readings: &[(&str, i64, f64)], width: i64) -> Vec<[f64; 7]> {
    let mut buckets: BTreeMap<i64, Vec<(i64, &str, f64)>> = BTreeMap::new();
    for (device, second, value) in readings {
        let start = (START + second) / width * width;
        buckets.entry(start).or_default().push((*second, device, *value));
    }
    let told = buckets.into_iter().map(|(start, mut readings)| {
        readings.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        let values = || readings.iter().map(|(_, _, value)| *value);
        let count = f64::from(u32::try_from(readings.len()).unwrap());
        let latest = readings.last().unwrap().0;
        let last = readings.iter().find(|(second, _, _)| *second == latest).unwrap();
        [
            f64::from(u32::try_from(start).unwrap()),
            values().sum::<f64>() / count,
            values().fold(f64::MAX, f64::min),
            values().fold(f64::MIN, f64::max),
            count,
            readings[0].2,
            last.2,
        ]
    });
    told.collect()
}

#[tokio::test]
async fn whatever_the_order_of_arrival() {
    let readings = shuffled();
    let api = Api::start().await;
    // The first half is read before the second one arrives, late.
    for known in [75, 150] {
        for (device, second, value) in &readings[known - 75..known] {
            let time = Timestamp::from_second(START + second).unwrap().to_string();
            api.add(&[(device, "x", &time, *value)]).await;
        }
        for width in [1, 7, 59, 60, 61, 900, 86_400] {
            let query = format!(
                "sensor=x&from=2021-02-28T23:30:00Z&to=2021-03-01T00:30:00Z&aggregation={width}s&function=avg,min,max,count,first,last"
            );
            let buckets = buckets_of(&api, &query).await;
            let expected = expected(&readings[..known], width);
            assert_eq!(buckets.len(), expected.len(), "{width} s");
            for (bucket, expected) in buckets.iter().zip(expected) {
                let start: Timestamp = bucket["timestamp"].as_str().unwrap().parse().unwrap();
                assert_eq!(
                    f64::from(u32::try_from(start.as_second()).unwrap()),
                    expected[0],
                    "{width} s"
                );
                let members = ["avg", "min", "max", "count", "first", "last"];
                for (member, expected) in members.into_iter().zip(&expected[1..]) {
                    let found = bucket[member].as_f64().unwrap();
                    assert!(
                        (found - expected).abs() < 1e-9,
                        "{width} s: {member} of {bucket}, not {expected}"
                    );
                }
            }
        }
    }
}
