//! Memory use does not grow with the input.

use crate::system::{LONG, System, answer};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use std::fmt::Write as _;
use std::io::Write as _;
use testutil::Program;

const MIB: u64 = 1 << 20;

/// A day of six sensors at six readings a second: 3.1 million readings, some 300 MB.
const SECONDS: u32 = 86_400;
const RATE: u32 = 6;
const SENSORS: [&str; 6] = [
    "speed",
    "fuel",
    "revolution",
    "engine_temperature",
    "location_latitude",
    "location_longitude",
];

/// The lines of one minute.
fn minute(minute: u32) -> String {
    let mut lines = String::new();
    for second in 0..60 {
        for part in 0..RATE {
            for (at, sensor) in SENSORS.iter().enumerate() {
                let value = f64::from((minute * 60 + second) % 1000) / 8.0 + at as f64;
                writeln!(
                    lines,
                    r#"{{"sensor":"{sensor}","value":{value},"timestamp":"2024-05-01T{:02}:{:02}:{second:02}.{:03}Z","device":"lada"}}"#,
                    minute / 60,
                    minute % 60,
                    part * 1000 / RATE
                )
                .unwrap();
            }
        }
    }
    lines
}

#[tokio::test]
async fn three_hundred_megabytes_through_every_program() {
    let readings = u64::from(SECONDS * RATE) * SENSORS.len() as u64;
    let mut system = System::start(1).await;
    let body = futures_util::stream::iter((0..SECONDS / 60).map(|at| Ok::<_, std::io::Error>(minute(at))));
    let (status, answer) = answer(system.upload(reqwest::Body::wrap_stream(body)).send().await.unwrap()).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(readings)), "{answer}");
    assert!(
        system.ingestor.peak_memory() < 64 * MIB,
        "the ingestor took {} MiB",
        system.ingestor.peak_memory() / MIB
    );

    system.wait_for_judged(readings as f64).await;
    assert_eq!(system.persisted("stored").await, readings as f64);
    let persistor = system.persistors[0].peak_memory();
    assert!(persistor < 48 * MIB, "the persistor took {} MiB", persistor / MIB);

    let folder = tempfile::tempdir().unwrap();
    let mut dumper = Program::new("dumper")
        .env("DATABASE_URL", system.database.url())
        .env("BLOB_STORE_URL", format!("file://{}", folder.path().display()))
        .args(["--dump-date", "2024-05-01"])
        .spawn();
    assert_eq!(dumper.wait(LONG).await, 0, "{}", dumper.output().join("\n"));
    let manifest = std::fs::read_to_string(folder.path().join("2024-05-01.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["readings"].as_u64(), Some(readings));
    assert!(
        dumper.peak_memory() < 64 * MIB,
        "the dumper took {} MiB",
        dumper.peak_memory() / MIB
    );
}

/// Thirteen recordings of 27 sensors, an hour each at one reading a second: 1.26 million readings.
const RECORDINGS: u32 = 13;
const MANY_SENSORS: u32 = 27;

/// A compressed recording.
fn recording(number: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for second in 0..3600 {
        for sensor in 0..MANY_SENSORS {
            let (minute, value) = (second / 60, f64::from((second * sensor) % 1000) / 8.0);
            writeln!(
                encoder,
                r#"{{"sensor":"sensor_{sensor}","value":{value},"timestamp":"2024-05-01T{number:02}:{minute:02}:{:02}Z","device":"lada"}}"#,
                second % 60
            )
            .unwrap();
        }
    }
    encoder.finish().unwrap()
}

/// They come all at once, so that nearly all inserted readings lie before stored ones.
#[tokio::test]
async fn many_recordings_at_once_through_the_persistor() {
    let readings = u64::from(RECORDINGS * 3600 * MANY_SENSORS);
    let mut system = System::start(1).await;
    let uploads = (0..RECORDINGS).map(|number| {
        let upload = system.upload(recording(number)).header("content-encoding", "gzip");
        async move { answer(upload.send().await.unwrap()).await }
    });
    for (status, answer) in join_all(uploads).await {
        assert_eq!(status, 200, "{answer}");
    }
    system.wait_for_judged(readings as f64).await;
    assert_eq!(system.persisted("stored").await, readings as f64);
    let persistor = system.persistors[0].peak_memory();
    assert!(persistor < 48 * MIB, "the persistor took {} MiB", persistor / MIB);
}

/// More series than the cache holds, with one reading each, and then all of them again.
#[tokio::test]
async fn many_series_through_the_persistor() {
    const SERIES: u32 = 150_000;
    let mut system = System::start_with(1, &["--max-series", "1000000"]).await;
    for second in 1..=2 {
        let mut lines = String::new();
        for number in 0..SERIES {
            writeln!(
                lines,
                r#"{{"sensor":"sensor_{:02}","value":1,"timestamp":"2024-05-01T00:00:{second:02}Z","device":"vehicle-{:06}"}}"#,
                number % 100,
                number / 100
            )
            .unwrap();
        }
        let (status, answer) = system.post(lines).await;
        assert_eq!(status, 200, "{answer}");
        system.wait_for_judged(f64::from(SERIES * second)).await;
    }
    assert_eq!(system.persisted("stored").await, f64::from(SERIES * 2));
    let persistor = system.persistors[0].peak_memory();
    assert!(persistor < 64 * MIB, "the persistor took {} MiB", persistor / MIB);
}
