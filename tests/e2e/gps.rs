//! GPX as programs of others read it.

use serde_json::{Value, json};
use std::io::Write;
use std::process::Command;

/// What gpxpy reads: how many `waypoints` and `points`, and the `tracks`.
pub(crate) async fn gpxpy(gpx: &str) -> Value {
    let script = testutil::workspace().join("tests/e2e/gpx.py");
    testutil::python(&script, &json!({ "gpx": gpx })).await
}

/// A point of a track: its moment as RFC 3339, its latitude and its longitude.
pub(crate) type Point = (String, f64, f64);

/// The points of the tracks that gpsbabel reads.
pub(crate) fn gpsbabel(gpx: &str) -> Vec<Point> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(gpx.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let output = Command::new("gpsbabel")
        .args(["-t", "-i", "gpx", "-f", path, "-o", "unicsv,utc=0,prec=10", "-F", "-"])
        .output()
        .expect("gpsbabel is missing: run scripts/install-gpsbabel.sh (`make test` does)");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("No,Latitude,Longitude,Date,Time"), "{text}");
    let point = |line: &str| {
        let [_, latitude, longitude, date, time] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let moment = format!("{}T{time}Z", date.replace('/', "-"));
        (
            moment,
            latitude.parse::<f64>().unwrap(),
            longitude.parse::<f64>().unwrap(),
        )
    };
    lines.map(point).collect()
}
