//! A fleet whose readings are the recordings, sent in several ways; and what the database then has to hold.
//!
//! `ordered` sends all recordings in order, and then again. `late` sends half of the same readings backwards, then all
//! of them in no order, some of them twice. `gap` has lost the middle third of each recording, tells its longitudes a
//! moment after its latitudes, and sends a reading again with another value.

use super::{SECOND, zones};
use crate::random::Random;
use crate::source::bodies;
use crate::system::System;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The devices, in order.
pub(super) const DEVICES: [&str; 3] = ["gap", "late", "ordered"];

/// The sensors of trips.
pub(super) const DRIVES: [&str; 4] = ["speed", "fuel", LATITUDE, LONGITUDE];

/// The sensors of places.
pub(super) const LATITUDE: &str = "location_latitude";
pub(super) const LONGITUDE: &str = "location_longitude";

/// Readings that `late` sends once more.
const AGAIN: usize = 100;

/// The values of a series by time.
pub(super) type Series = BTreeMap<i64, f64>;

/// A reading: its sensor, time and value.
type Reading = (String, i64, f64);

/// An upload, and the numbers of its receipt.
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) accepted: usize,
    pub(super) persisted: usize,
    pub(super) duplicates: usize,
    pub(super) conflicts: usize,
}

/// An Odograph with the readings of the fleet.
pub(super) struct Fleet {
    pub(super) system: System,
    /// What it holds, by device and sensor.
    pub(super) held: BTreeMap<(String, String), Series>,
    /// In the order in which they were sent.
    pub(super) uploads: Vec<Upload>,
}

impl Fleet {
    /// A fleet that has sent these sensors of the recordings.
    pub(super) async fn start(sensors: &[&str]) -> Self {
        let mut fleet = Self::empty().await;
        fleet.send(sensors).await;
        fleet
    }

    /// A fleet that has sent nothing.
    pub(super) async fn empty() -> Self {
        Self {
            system: System::start(1).await,
            held: BTreeMap::new(),
            uploads: Vec::new(),
        }
    }

    /// Sends these sensors of the recordings.
    pub(super) async fn send(&mut self, sensors: &[&str]) {
        let bodies = bodies().await;
        let recordings: Vec<Vec<Reading>> = bodies.iter().map(|body| readings(&body.text, sensors)).collect();
        let mut whole: Vec<Reading> = recordings.concat();
        whole.extend(beside_places(&recordings));
        let count = whole.len();
        self.hold("ordered", &whole);
        self.post("ordered", &whole, (count, 0, 0)).await;
        self.post("ordered", &whole, (0, count, 0)).await;

        self.hold("late", &whole);
        let half: Vec<Reading> = whole.iter().rev().step_by(2).cloned().collect();
        self.post("late", &half, (half.len(), 0, 0)).await;
        let mut rest = whole.clone();
        Random::new(1).shuffle(&mut rest);
        rest.extend_from_within(..AGAIN);
        let duplicates = half.len() + AGAIN;
        self.post("late", &rest, (count - half.len(), duplicates, 0)).await;

        let cut: Vec<Reading> = recordings
            .iter()
            .flat_map(|readings| without_middle(readings))
            .collect();
        self.hold("gap", &cut);
        self.post("gap", &cut, (cut.len(), 0, 0)).await;
        // The value that was first stays.
        let (sensor, time, value) = cut[0].clone();
        self.post("gap", &[(sensor, time, value + 1.0)], (0, 0, 1)).await;
    }

    fn hold(&mut self, device: &str, readings: &[Reading]) {
        for (sensor, time, value) in readings {
            let series = self.held.entry((device.to_owned(), sensor.clone())).or_default();
            assert_eq!(series.insert(*time, *value), None, "{device} {sensor} {time}");
        }
    }

    /// Sends readings, of which so many are new, duplicates and conflicts, and waits until the new ones are stored.
    async fn post(&mut self, device: &str, readings: &[Reading], told: (usize, usize, usize)) {
        let mut body = String::new();
        for (sensor, time, value) in readings {
            let timestamp = zones::text(*time);
            body += &json!({"device": device, "sensor": sensor, "value": value, "timestamp": timestamp}).to_string();
            body += "\n";
        }
        let (status, answer) = self.system.post(body).await;
        assert_eq!(status, 200, "{answer}");
        self.uploads.push(Upload {
            id: answer["id"].as_str().unwrap().to_owned(),
            accepted: readings.len(),
            persisted: told.0,
            duplicates: told.1,
            conflicts: told.2,
        });
        let stored: usize = self.uploads.iter().map(|upload| upload.persisted).sum();
        self.system.wait_for_rows(i64::try_from(stored).unwrap()).await;
    }

    /// The readings of a series; none where it has none.
    pub(super) fn series(&self, device: &str, sensor: &str) -> Series {
        let series = self.held.get(&(device.to_owned(), sensor.to_owned()));
        series.cloned().unwrap_or_default()
    }

    /// The readings of a sensor, of one device or of all: time, device, value. In order of time, then of device.
    pub(super) fn of_sensor(&self, device: Option<&str>, sensor: &str) -> Vec<(i64, &str, f64)> {
        let mut all = Vec::new();
        for ((of, name), series) in &self.held {
            if name == sensor && device.is_none_or(|device| device == of) {
                all.extend(series.iter().map(|(time, value)| (*time, &**of, *value)));
            }
        }
        all.sort_by_key(|(time, device, _)| (*time, *device));
        all
    }

    /// The names of the sensors, in order.
    pub(super) fn sensors(&self) -> BTreeSet<&str> {
        self.held.keys().map(|(_, sensor)| &**sensor).collect()
    }

    /// The answer of the API at this path below `/api/`, which must be a 200.
    pub(super) async fn ok(&self, path: &str) -> Value {
        let (status, answer) = self.system.get(path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// The same of an answer that is no JSON.
    pub(super) async fn text(&self, path: &str) -> String {
        let answer = self.system.http.get(format!("{}/{path}", self.system.api_url));
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }
}

/// The readings of a recording, in its order.
fn readings(text: &str, sensors: &[&str]) -> Vec<Reading> {
    let mut readings = Vec::new();
    let quoted: Vec<String> = sensors.iter().map(|sensor| format!("\"{sensor}\"")).collect();
    // Most lines are of other sensors, and need no parsing.
    let lines = text
        .lines()
        .filter(|line| quoted.iter().any(|name| line.contains(&**name)));
    for line in lines {
        let line: Value = serde_json::from_str(line).unwrap();
        let sensor = line["sensor"].as_str().unwrap();
        if sensors.contains(&sensor) {
            let time = zones::moment(line["timestamp"].as_str().unwrap());
            readings.push((sensor.to_owned(), time, line["value"].as_f64().unwrap()));
        }
    }
    readings
}

/// When a recording begins and ends.
fn ends(readings: &[Reading]) -> Option<(i64, i64)> {
    let times = || readings.iter().map(|(_, time, _)| *time);
    times().min().zip(times().max())
}

/// Another drive at the time of the recording that has places only. The logs of drives have no clock of their own, so
/// theirs may begin then.
fn beside_places(recordings: &[Vec<Reading>]) -> Vec<Reading> {
    let is_place = |reading: &Reading| reading.0 == LATITUDE || reading.0 == LONGITUDE;
    let places = recordings.iter().find(|readings| readings.iter().all(is_place));
    let drive = recordings.iter().find(|readings| !readings.iter().any(is_place));
    let spans = (
        places.and_then(|places| ends(places)),
        drive.and_then(|drive| ends(drive)),
    );
    let ((Some((since, _)), Some((begin, _))), Some(drive)) = (spans, drive) else {
        return Vec::new();
    };
    // The first two minutes are before the first place, and the last ones after the last place.
    let later = since - 120 * SECOND - begin;
    let shifted = drive.iter();
    shifted
        .map(|(sensor, time, value)| (sensor.clone(), time + later, *value))
        .collect()
}

/// A recording without its middle third. A longitude comes up to 0.9 s after its latitude.
fn without_middle(readings: &[Reading]) -> Vec<Reading> {
    let Some((from, to)) = ends(readings) else {
        return Vec::new();
    };
    let third = (to - from) / 3;
    let mut kept = Vec::new();
    let mut longitudes = 0;
    for (sensor, time, value) in readings {
        if (from + third..to - third).contains(time) {
            continue;
        }
        let mut time = *time;
        if sensor == LONGITUDE {
            time += longitudes % 4 * 300_000;
            longitudes += 1;
        }
        kept.push((sensor.clone(), time, *value));
    }
    kept
}
