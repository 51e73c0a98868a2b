//! A flood of series from one key: more than an ingestor has room for. Deferred readings get no verdict,
//! acknowledged ones are stored, and no other key's readings are deferred.

use crate::chance::Chance;
use reqwest::Client;
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// The key of the flood.
pub(crate) const KEY: &str = "flood-key";

/// The device of the flood.
const DEVICE: &str = "flood";

/// New series that an ingestor has room for, per key.
pub(crate) const ROOM: u64 = 500;

/// Names that are sent.
const NAMES: u64 = 2_000;

/// Names in a body, and the pause between two bodies.
const BODY: u64 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The timestamp of all of its readings, 2024-01-10.
const MOMENT: i64 = 1_704_844_800_000_000;

/// Results of the flood.
#[derive(Default)]
pub(crate) struct Flood {
    stopping: AtomicBool,
    /// Bodies with deferred readings.
    pub(crate) deferred: AtomicU64,
    /// By name, whether a body with it was acknowledged as a whole.
    acknowledged: Vec<AtomicBool>,
    wrong: AtomicU64,
}

impl Flood {
    pub(crate) fn new() -> Self {
        Self {
            acknowledged: (0..NAMES).map(|_| AtomicBool::new(false)).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Sends until it is stopped.
    pub(crate) async fn run(&self, seed: u64, urls: &[String]) {
        let Ok(http) = Client::builder().timeout(TIMEOUT).build() else {
            self.wrong.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut chance = Chance::new(seed, 900);
        while !self.stopping.load(Ordering::Relaxed) {
            let first = chance.below(NAMES - BODY);
            let url = &urls[usize::try_from(chance.below(urls.len() as u64)).unwrap_or(0)];
            self.send(&http, url, first).await;
            sleep(PAUSE).await;
        }
    }

    async fn send(&self, http: &Client, url: &str, first: u64) {
        let mut body = String::new();
        for name in first..first + BODY {
            let moment = jiff::Timestamp::from_microsecond(MOMENT).unwrap_or_default();
            let _ = writeln!(
                body,
                "{{\"sensor\":\"n{name}\",\"value\":{name},\"timestamp\":\"{moment}\",\"device\":\"{DEVICE}\"}}"
            );
        }
        // Names lost with a server are not acknowledged, and may come again.
        let Ok(response) = http.post(url).bearer_auth(KEY).body(body).send().await else {
            return;
        };
        let status = response.status().as_u16();
        let Ok(answer) = response.json::<Value>().await else {
            return;
        };
        let count = |name: &str| answer[name].as_u64().unwrap_or(0);
        let right = match status {
            200 => {
                for name in first..first + BODY {
                    if let Some(acknowledged) = usize::try_from(name).ok().and_then(|name| self.acknowledged.get(name))
                    {
                        acknowledged.store(true, Ordering::Relaxed);
                    }
                }
                count("accepted") == BODY
            }
            429 => {
                self.deferred.fetch_add(1, Ordering::Relaxed);
                count("deferred") > 0 && count("accepted") + count("deferred") == BODY && count("rejected") == 0
            }
            status => status >= 500 && count("rejected") == 0,
        };
        if !right {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the flood has sent this row.
    pub(crate) fn is_of(device: &str, sensor: &str, time: i64, value: f64) -> bool {
        let name: Option<u32> = sensor.strip_prefix('n').and_then(|name| name.parse().ok());
        device == DEVICE && time == MOMENT && name.is_some_and(|name| f64::from(name) == value)
    }

    /// Wrong answers, and acknowledged names that are not among `found`.
    pub(crate) fn complaints(&self, found: &[String]) -> Vec<String> {
        let mut complaints = Vec::new();
        let wrong = self.wrong.load(Ordering::Relaxed);
        if wrong > 0 {
            complaints.push(format!("{wrong} bodies of the flood of names were answered wrongly"));
        }
        for (name, acknowledged) in self.acknowledged.iter().enumerate() {
            let sensor = format!("n{name}");
            if acknowledged.load(Ordering::Relaxed) && !found.contains(&sensor) {
                complaints.push(format!("lost: the reading of {sensor}, which was acknowledged"));
            }
        }
        complaints
    }
}
