//! Any bytes as the payload of a message: it is refused as a whole, or all of it can be stored.

#![no_main]

use bytes::Bytes;
use store::batch::Batch;
use reading::is_name;
use reading::message::Message;
use reading::segment::{Builder, Origin, Part, join, read};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

type Readings = BTreeMap<(String, String), Vec<(i64, u64)>>;

fuzz_target!(|data: &[u8]| {
    let payload = Bytes::copy_from_slice(data);
    let message = Message::read("any id", &payload);
    assert_eq!(message.is_ok(), read(&payload, |_| ()).is_ok());
    let Ok(message) = message else { return };
    let mut batch = Batch::default();
    batch.add(&message);
    let told: u64 = message.shares.iter().map(|share| share.readings).sum();
    assert_eq!(batch.readings() as u64, told);
    assert!(message.shares.is_sorted_by(|one, next| one.upload < next.upload));

    let names = batch.names();
    assert!(names.iter().all(|name| is_name(name.device) && is_name(name.sensor)));
    let ids: Vec<i32> = (0..).take(names.len()).collect();
    let sorted = batch.sorted(ids);
    let kept: usize = sorted
        .months()
        .iter()
        .flat_map(|month| &month.parts)
        .map(|part| part.points.len())
        .sum();
    assert_eq!(kept as u64 + sorted.duplicates + sorted.conflicts, told);

    // Written again, the readings are the same.
    let found = readings(&payload);
    let mut builder = Builder::default();
    for ((device, sensor), points) in &found {
        for (timestamp, bits) in points {
            let point = reading::Point {
                timestamp: *timestamp,
                value: f64::from_bits(*bits),
            };
            assert!(builder.push(device, sensor, point, |_| true));
        }
    }
    if builder.series() <= usize::from(u16::MAX) {
        let origin = Origin {
            upload: uuid::Uuid::nil(),
            correlation: String::new(),
            traceparent: String::new(),
        };
        assert_eq!(readings(&join([builder.finish(&origin, None)].iter())), found);
    }
});

fn readings(payload: &[u8]) -> Readings {
    let mut found = Readings::new();
    let read = read(payload, |piece| {
        if let Part::Series(series) = piece {
            let points: Vec<_> = series
                .points
                .map(|point| (point.timestamp, point.value.to_bits()))
                .collect();
            if !points.is_empty() {
                found
                    .entry((series.device.to_owned(), series.sensor.to_owned()))
                    .or_default()
                    .extend(points);
            }
        }
    });
    assert!(read.is_ok());
    found
}
