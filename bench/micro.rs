//! The steps of every reading, each on its own: `make micro` shows how many readings a second one core takes
//! through each step, and the change since the last run.
//!
//! This module makes the readings: six sensors at 10 Hz, in order of time, like a vehicle's.

use archive::Day;
use bytes::Bytes;
use criterion::{Bencher, Criterion, Throughput};
use reading::Bounds;
use reading::Line;
use reading::Point;
use reading::decode::{Decoded, decode};
use reading::message::Message;
use reading::scan::{Scanner, Token};
use reading::segment::{Builder, Origin, join};
use std::fmt::Write;
use std::hint::black_box;
use store::Rows;
use store::batch::Batch;

mod sensors;

use sensors::SENSORS;

/// Readings of each sensor: together a little more than the largest transaction.
const TICKS: u32 = 10_000;
const READINGS: usize = SENSORS.len() * TICKS as usize;

/// The day of the readings, its start in microseconds since 1970, and microseconds between two of a sensor.
const DAY: &str = "2024-05-01";
const START: i64 = 1_714_521_600_000_000;
const STEP: i64 = 100_000;

/// As in the ingestor, in bytes: chunks of a body, the longest line, and the largest segment.
const CHUNK: usize = 64 * 1024;
const LONGEST: usize = 64 * 1024;
const SEGMENT: usize = 128 * 1024;

const BOUNDS: Bounds = Bounds {
    oldest: 946_684_800_000_000,
    newest: 4_102_444_800_000_000,
};

fn main() {
    // Without criterion's macros, which make public functions without documentation.
    let mut criterion = Criterion::default().configure_from_args();
    ingestor(&mut criterion);
    persistor(&mut criterion);
    dumper(&mut criterion);
    criterion.final_summary();
}

/// From a body to segments.
fn ingestor(criterion: &mut Criterion) {
    let body = body();
    bench(criterion, "split", |bencher| bencher.iter(|| split(&body)));
    let lines: Vec<&[u8]> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    bench(criterion, "decode", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                black_box(decoded(line));
            }
        });
    });
    let readings: Vec<Decoded<'_>> = lines.iter().map(|line| decoded(line)).collect();
    bench(criterion, "segments", |bencher| bencher.iter(|| segments(&readings)));
}

/// From messages to rows.
fn persistor(criterion: &mut Criterion) {
    let body = body();
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let readings: Vec<Decoded<'_>> = lines.map(decoded).collect();
    let messages: Vec<Message> = segments(&readings)
        .iter()
        .map(|segment| Message::read("m", &join(std::iter::once(segment))).expect("messages made here can be read"))
        .collect();
    let ids: Vec<i32> = (1..).take(SENSORS.len()).collect();
    bench(criterion, "batch", |bencher| {
        // Drops results outside the measurement.
        bencher.iter_with_large_drop(|| {
            let sorted = batch(&messages).sorted(ids.clone());
            assert_eq!(sorted.months().len(), 1);
            sorted
        });
    });
    let sorted = batch(&messages).sorted(ids.clone());
    let months = sorted.months();
    bench(criterion, "copy", |bencher| {
        bencher.iter(|| {
            for chunk in Rows::new(&months[0].parts) {
                black_box(chunk);
            }
        });
    });
}

/// From rows to lines.
fn dumper(criterion: &mut Criterion) {
    let day: Day = DAY.parse().expect("the constant is a day");
    let series: Vec<(&str, Vec<Point>)> = (0..)
        .zip(SENSORS)
        .map(|(at, sensor)| (sensor, points(at).collect()))
        .collect();
    let mut out = Vec::with_capacity(2 * CHUNK);
    bench(criterion, "dump", |bencher| {
        bencher.iter(|| {
            for (sensor, points) in &series {
                let line = Line::new(day.start(), Some("lada"), sensor);
                for point in points {
                    line.write(point.timestamp, point.value, &mut out);
                    if out.len() > CHUNK {
                        black_box(&out);
                        out.clear();
                    }
                }
            }
        });
    });
}

/// Measures a step over all the readings.
fn bench(criterion: &mut Criterion, step: &str, measure: impl FnMut(&mut Bencher<'_>)) {
    let mut group = criterion.benchmark_group("hot");
    group.throughput(Throughput::Elements(READINGS as u64));
    group.bench_function(step, measure);
    group.finish();
}

fn split(body: &[u8]) {
    let mut scanner = Scanner::new(LONGEST);
    let mut found = 0;
    for mut chunk in body.chunks(CHUNK) {
        while let Some((_, piece)) = scanner.next(&mut chunk) {
            assert!(matches!(black_box(piece), Token::Line { part: false, .. }));
            found += 1;
        }
    }
    assert_eq!(found, READINGS);
}

fn decoded(line: &[u8]) -> Decoded<'_> {
    decode(line, BOUNDS).expect("the lines made here are good ones")
}

fn segments(readings: &[Decoded<'_>]) -> Vec<Bytes> {
    let origin = Origin {
        upload: uuid::Uuid::nil(),
        correlation: String::new(),
        traceparent: String::new(),
    };
    let mut builder = Builder::default();
    let mut segments = Vec::new();
    for reading in readings {
        let point = Point {
            timestamp: reading.timestamp,
            value: reading.value,
        };
        let device = reading.device.as_deref().unwrap_or_default();
        builder.push(device, &reading.sensor, point, |_| true);
        if builder.size() >= SEGMENT {
            segments.push(builder.finish(&origin, None));
        }
    }
    segments.push(builder.finish(&origin, None));
    segments
}

fn batch(messages: &[Message]) -> Batch<'_> {
    let mut batch = Batch::default();
    for message in messages {
        batch.add(message);
    }
    assert_eq!(batch.readings(), READINGS);
    batch
}

fn body() -> Vec<u8> {
    let mut body = String::new();
    for tick in 0..TICKS {
        let millis = i64::from(tick) * STEP / 1000;
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        for (at, sensor) in (0..).zip(SENSORS) {
            let value = value(at, tick);
            let _ = writeln!(
                body,
                r#"{{"sensor":"{sensor}","value":{value},"timestamp":"{DAY}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z","device":"lada"}}"#
            );
        }
    }
    body.into_bytes()
}

fn points(sensor: u32) -> impl Iterator<Item = Point> {
    (0..TICKS).map(move |tick| Point {
        timestamp: START + i64::from(tick) * STEP,
        value: value(sensor, tick),
    })
}

/// A value that moves, with as many decimals as a sensor has.
fn value(sensor: u32, tick: u32) -> f64 {
    let wave = (f64::from(tick) / (40.0 + 7.0 * f64::from(sensor))).sin();
    match sensor {
        2 | 3 => ((45.2 + wave / 50.0) * 1e6).round() / 1e6,
        4 => (2000.0 + 900.0 * wave).round(),
        _ => ((60.0 + 30.0 * wave) * 10.0).round() / 10.0,
    }
}
