//! Compared with readings that the tests hold themselves.

mod meanwhile;
mod pages;
mod streams;

use crate::tests::Api;
use axum::body::to_bytes;
use jiff::Timestamp;
use reading::time::{self, SECOND};
use serde_json::Value;

/// A reading: timestamp, device, sensor, value. Their order is that of pages.
type Held = (i64, String, String, f64);

/// Numbers from a pseudo-random sequence.
fn random() -> impl FnMut(u64) -> usize {
    let mut state = 88_172_645_463_325_252_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below).unwrap()
    }
}

/// Readings of two devices with three sensors each, in the order of pages: in three months, with long gaps and many
/// at one moment.
fn held() -> Vec<Held> {
    let mut next = random();
    let starts = ["2021-01-31T23:59:00Z", "2021-02-27T22:30:00Z", "2021-03-28T00:30:00Z"];
    let mut held: Vec<Held> = Vec::new();
    for _ in 0..600 {
        let start = time::parse(starts[next(3)]).unwrap();
        // Seconds, and microseconds at the seams.
        let offset = [i64::try_from(next(40)).unwrap() * 7 * 60 * SECOND, 0, 1, -1][next(4)];
        let device = ["Lada", "lada"][next(2)];
        let sensor = ["Speed", "fuel", "speed"][next(3)];
        let value = f64::from(u32::try_from(next(2_000_001)).unwrap()) / 1000.0 - 1000.0;
        held.push((start + offset, device.to_owned(), sensor.to_owned(), value));
    }
    held.sort_by(|one, other| identity(one).cmp(&identity(other)));
    held.dedup_by(|one, other| identity(one) == identity(other));
    held
}

fn identity(held: &Held) -> (i64, &str, &str) {
    (held.0, &held.1, &held.2)
}

/// Stores readings in an order that is not theirs.
async fn store(api: &Api, held: &[Held]) {
    let mut next = random();
    let mut stored: Vec<(String, &Held)> = held.iter().map(|held| (time::exact(held.0), held)).collect();
    for at in (1..stored.len()).rev() {
        stored.swap(at, next(u64::try_from(at).unwrap() + 1));
    }
    let readings: Vec<_> = stored
        .iter()
        .map(|(moment, (_, device, sensor, value))| (device.as_str(), sensor.as_str(), moment.as_str(), *value))
        .collect();
    api.add(&readings).await;
}

/// Readings as a page tells them.
fn read(readings: &Value) -> Vec<Held> {
    let text = |reading: &Value, name: &str| reading[name].as_str().unwrap().to_owned();
    let readings = readings.as_array().unwrap().iter();
    let held = readings.map(|reading| {
        let moment: Timestamp = text(reading, "timestamp").parse().unwrap();
        (
            moment.as_microsecond(),
            text(reading, "device"),
            text(reading, "sensor"),
            reading["value"].as_f64().unwrap(),
        )
    });
    held.collect()
}

/// All pages of a question.
async fn pages(api: &Api, question: &str) -> Vec<Vec<Held>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.ok(&format!("/api/readings?{question}{cursor}")).await;
        pages.push(read(&page["readings"]));
        match page["nextCursor"].as_str() {
            // As it stands.
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

/// The text of a stream.
async fn text(api: &Api, path: &str) -> String {
    let response = api.response(path, &[]).await;
    assert_eq!(response.status(), 200, "{path}");
    let body = to_bytes(response.into_body(), 64 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}
