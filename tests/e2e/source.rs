//! Bodies to upload: real recordings where available, and the simulator's drives.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use testutil::{Program, recordings};

/// A body and its contents.
pub(crate) struct Body {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The bodies of a test: the real recordings, or drives with the same properties (several sensors, a
/// midnight, thousands of readings) where those are absent.
pub(crate) async fn bodies() -> Vec<Body> {
    let Some(folder) = recordings() else {
        return drives().await;
    };
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "gz"));
    files.sort();
    assert!(files.len() >= 5, "the recordings are not all there: {files:?}");
    let body = |file: std::path::PathBuf| {
        let mut text = String::new();
        MultiGzDecoder::new(fs::File::open(&file).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        Body {
            name: file.file_name().unwrap().to_string_lossy().into_owned(),
            text,
        }
    };
    files.into_iter().map(body).collect()
}

/// Simulated drives, one of which crosses midnight.
pub(crate) async fn drives() -> Vec<Body> {
    let mut bodies = Vec::new();
    for (seed, start) in [
        ("1", "2017-06-01T08:00:00Z"),
        ("2", "2017-06-03T23:30:00Z"),
        ("3", "2020-12-31T23:50:00Z"),
    ] {
        bodies.push(Body {
            name: format!("drive {seed}"),
            text: simulate(&["--seed", seed, "--start", start, "--for", "1h"]).await,
        });
    }
    bodies
}

/// A body in gzip.
pub(crate) fn gzip(plain: impl AsRef<[u8]>) -> Vec<u8> {
    compress(plain.as_ref(), Compression::fast())
}

/// A body in gzip at its best: a body of equal bytes becomes a thousandth.
pub(crate) fn best_gzip(plain: &[u8]) -> Vec<u8> {
    compress(plain, Compression::best())
}

fn compress(plain: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// The output of `odograph simulate` with these flags.
pub(crate) async fn simulate(flags: &[&str]) -> String {
    let mut process = Program::new("odograph")
        .arg("simulate")
        .args(flags.iter().copied())
        .spawn();
    // The test needs the whole output, so it must be shorter than the kept part.
    assert_eq!(process.wait(crate::system::LONG).await, 0);
    process.stdout().join("\n") + "\n"
}

/// The distinct readings of bodies as (sensor, moment in microseconds) and value.
pub(crate) fn distinct<'a>(bodies: impl Iterator<Item = &'a str>) -> BTreeMap<(String, String), f64> {
    let mut readings = BTreeMap::new();
    for line in bodies.flat_map(str::lines) {
        let reading: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| reading[name].as_str().unwrap().to_owned();
        readings.insert((text("sensor"), text("timestamp")), reading["value"].as_f64().unwrap());
    }
    readings
}

/// The UTC days in bodies; all their times are written in UTC.
pub(crate) fn days(bodies: &[Body]) -> BTreeSet<String> {
    let lines = bodies.iter().flat_map(|body| body.text.lines());
    lines
        .map(|line| {
            line.split("\"timestamp\":")
                .nth(1)
                .unwrap()
                .trim_start_matches([' ', '"'])[..10]
                .to_owned()
        })
        .collect()
}
