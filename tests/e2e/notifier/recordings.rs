//! Real recordings, in order and in disorder: which events a notifier makes of them.
//!
//! Each order has a device of its own, and twelve rules judge all devices.

mod plain;
mod rules;

use super::endpoint::Endpoint;
use super::{KEY, notifier, subscribe};
use crate::random::Random;
use crate::source::bodies;
use crate::system::{LONG, System, answer, connect};
use jiff::Timestamp;
use plain::{Event, Qualified, Readings, Rule, SECOND};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testutil::{Process, poll};
use tokio_postgres::Client;

/// The sensors that the rules name.
const SENSORS: [&str; 6] = [
    "speed",
    "revolution",
    "engine_temperature",
    "throttle",
    "location_latitude",
    "location_longitude",
];

/// Readings of one upload. It is one segment, so one transaction stores it.
const UPLOAD: usize = 1500;

/// Readings of one upload in random orders, by turns.
const UPLOADS: [usize; 3] = [1500, 700, 300];

/// Random orders; `RECORDING_ORDERS=100` for more.
const ORDERS: u64 = 10;

/// Of each recording, random orders have this many first seconds: each upload touches all of them.
const PIECE: i64 = 300 * SECOND;

/// A reading: microseconds since 1970, sensor, value.
type Reading = (i64, String, f64);

/// The readings of the recordings that rules name, by recording, each in order of time.
///
/// Of the throttle, which is read with the others, every third is left, a quarter of a second late: so rules over two
/// sensors meet values that are old, and no moment has two readings.
async fn recordings() -> Vec<Vec<Reading>> {
    let mut random = Random::new(7);
    let mut all = Vec::new();
    for body in bodies().await {
        let mut readings: Vec<Reading> = Vec::new();
        for line in body.text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let sensor = line["sensor"].as_str().unwrap();
            if !SENSORS.contains(&sensor) {
                continue;
            }
            let mut time = micros(line["timestamp"].as_str().unwrap());
            if sensor == "throttle" {
                time += SECOND / 4;
                if random.below(3) > 0 {
                    continue;
                }
            }
            readings.push((time, sensor.to_owned(), line["value"].as_f64().unwrap()));
        }
        readings.sort_by_key(|(time, ..)| *time);
        all.push(readings);
    }
    all.sort_by_key(|readings| readings.first().map(|(time, ..)| *time));
    all
}

fn micros(timestamp: &str) -> i64 {
    timestamp.parse::<Timestamp>().unwrap().as_microsecond()
}

fn table(readings: &[Reading]) -> Readings {
    let mut table = Readings::new();
    for (time, sensor, value) in readings {
        table.entry(sensor.clone()).or_default().insert(*time, *value);
    }
    table
}

fn upload(device: &str, readings: &[Reading]) -> String {
    let lines = readings.iter().map(|(time, sensor, value)| {
        let timestamp = Timestamp::from_microsecond(*time).unwrap().to_string();
        json!({"device": device, "sensor": sensor, "value": value, "timestamp": timestamp}).to_string() + "\n"
    });
    lines.collect()
}

/// A system with the rules, and what was sent to it.
struct Setting {
    system: System,
    notifier: Process,
    endpoint: Endpoint,
    sql: Client,
    rules: Vec<Rule>,
    /// Readings of each device.
    sent: BTreeMap<String, Readings>,
}

impl Setting {
    async fn start() -> Self {
        let system = System::start(1).await;
        let mut notifier = notifier(&system).await;
        let endpoint = Endpoint::start(|_| true).await;
        let areas = format!("{}/api/areas", notifier.url().await);
        let home = json!({"name": "home", "geojson": rules::home()}).to_string();
        let created = poll(LONG, async || {
            let request = system.http.post(&areas).bearer_auth(KEY).body(home.clone());
            let response = request.send().await.ok()?;
            (response.status() != 503).then_some(response)
        });
        let (status, told) = answer(created.await).await;
        assert_eq!(status, 201, "{told}");
        let mut rules = Vec::new();
        for (mut definition, rule) in rules::all() {
            definition["name"] = json!(format!("rule-{}", rules.len()));
            definition["targetUrl"] = json!(endpoint.url);
            subscribe(&system, &mut notifier, definition).await;
            rules.push(rule);
        }
        let sql = connect(&system.database.url()).await;
        Self {
            system,
            notifier,
            endpoint,
            sql,
            rules,
            sent: BTreeMap::new(),
        }
    }

    /// Uploads readings of a device, and awaits the end of each upload's transaction if they are to be in order.
    async fn post(&mut self, device: &str, readings: &[Reading], size: usize, in_order: bool) {
        for part in readings.chunks(size) {
            let (status, told) = self.system.post(upload(device, part)).await;
            assert_eq!(status, 200, "{told}");
            let sent = self.sent.entry(device.to_owned()).or_default();
            for (sensor, values) in table(part) {
                sent.entry(sensor).or_default().extend(values);
            }
            if in_order {
                self.stored().await;
            }
        }
    }

    async fn stored(&self) {
        let rows: usize = self.sent.values().flat_map(Readings::values).map(BTreeMap::len).sum();
        self.system.wait_for_rows(i64::try_from(rows).unwrap()).await;
    }

    /// Waits until all that was sent is stored and judged.
    async fn judged(&self) {
        self.stored().await;
        let judged = "SELECT FROM evaluator WHERE rest = '[]' AND NOT EXISTS
            (SELECT FROM change WHERE NOT pg_visible_in_snapshot(xid, seen))";
        poll(LONG, async || self.sql.query_opt(judged, &[]).await.unwrap()).await;
    }

    /// The events of a device by rule, each in order of time.
    async fn events(&self, device: &str) -> Vec<Vec<Event>> {
        let select = "SELECT s.name, split_part(type, '.', 3), (extract(epoch FROM moment) * 1000000)::int8,
                data->>'since', data->>'state'
            FROM delivery AS d JOIN subscription AS s ON s.id = d.subscription WHERE key = $1";
        let mut events = vec![Vec::new(); self.rules.len()];
        for row in self.sql.query(select, &[&device]).await.unwrap() {
            let number: usize = row.get::<_, &str>(0).strip_prefix("rule-").unwrap().parse().unwrap();
            let kind = row.get::<_, &str>(1);
            let state = match row.get::<_, &str>(4) {
                "true" => 1,
                "false" => 0,
                number => number.parse().unwrap(),
            };
            events[number].push(Event {
                moment: row.get(2),
                kind: ["rise", "fall", "change", "each"]
                    .into_iter()
                    .find(|one| *one == kind)
                    .unwrap(),
                state,
                since: micros(row.get(3)),
            });
        }
        for events in &mut events {
            events.sort();
        }
        events
    }

    /// The told moments of a device by rule.
    async fn told(&self, device: &str) -> Vec<BTreeSet<(String, i64)>> {
        let select = "SELECT s.name, kind, (extract(epoch FROM moment) * 1000000)::int8
            FROM told AS t JOIN subscription AS s ON s.id = t.subscription WHERE t.device = $1";
        let mut told = vec![BTreeSet::new(); self.rules.len()];
        for row in self.sql.query(select, &[&device]).await.unwrap() {
            let number: usize = row.get::<_, &str>(0).strip_prefix("rule-").unwrap().parse().unwrap();
            told[number].insert((row.get(1), row.get(2)));
        }
        told
    }

    /// The events of a device are exactly those of the computation.
    async fn check_exactly(&self, device: &str) {
        let readings = &self.sent[device];
        // Simulated cars lack sensors, and keep to some limits.
        let may_be_silent = !readings.contains_key("throttle");
        let mut loud = 0;
        for (number, (rule, events)) in self.rules.iter().zip(self.events(device).await).enumerate() {
            let mut expected = rule.events(readings);
            expected.sort();
            assert!(
                may_be_silent || !expected.is_empty(),
                "rule {number} makes no event of {device}"
            );
            loud += usize::from(!expected.is_empty());
            let missing: Vec<&Event> = expected.iter().filter(|event| !events.contains(event)).collect();
            let wrong: Vec<&Event> = events.iter().filter(|event| !expected.contains(event)).collect();
            assert!(
                events == expected,
                "rule {number} of {device}: missing {missing:?}, wrong {wrong:?}"
            );
        }
        assert!(loud > 2, "only {loud} rules make events of {device}");
    }

    /// Each run that qualifies holds a told moment, or is too near to an event.
    async fn check_told(&self, device: &str) {
        let (told, events) = (self.told(device).await, self.events(device).await);
        for (number, rule) in self.rules.iter().enumerate() {
            for Qualified { event, after, last } in rule.qualified(&self.sent[device]) {
                let is_told = told[number]
                    .iter()
                    .any(|(kind, moment)| kind == event.kind && (after..=last).contains(moment));
                let is_near = events[number]
                    .iter()
                    .any(|other| (other.moment - event.moment).abs() < rule.every);
                assert!(
                    is_told || is_near,
                    "rule {number} of {device}: nothing was told of {event:?}"
                );
            }
            let told: Vec<i64> = told[number].iter().map(|(_, moment)| *moment).collect();
            assert!(
                events[number].iter().all(|event| told.contains(&event.moment)),
                "rule {number} of {device}: an event is not told"
            );
        }
    }

    /// No id comes twice, and each event arrives.
    async fn check_ids(&self) {
        let rows = self.sql.query("SELECT id::text FROM delivery", &[]).await.unwrap();
        let ids: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(ids.len(), rows.len(), "an id comes twice");
        poll(LONG, async || (self.endpoint.count() >= ids.len()).then_some(())).await;
        let taken: BTreeSet<String> = self.endpoint.taken().into_iter().map(|one| one.id).collect();
        assert_eq!(taken, ids);
    }
}

/// Exactly the expected events in order of time; again, backwards and in random orders, every episode.
#[tokio::test]
async fn events_of_recordings() {
    let orders = std::env::var("RECORDING_ORDERS").map_or(ORDERS, |orders| orders.parse().unwrap());
    let recordings = recordings().await;
    let mut setting = Setting::start().await;
    let all = recordings.concat();

    setting.post("in-order", &all, UPLOAD, true).await;
    setting.judged().await;
    setting.check_exactly("in-order").await;
    setting.check_told("in-order").await;
    // Again: nothing is new.
    setting.post("in-order", &all, UPLOAD, false).await;

    let reversed: Vec<Reading> = all.iter().rev().cloned().collect();
    setting.post("reversed", &reversed, UPLOAD, false).await;
    let pieces = recordings.iter().flat_map(|readings| {
        let end = readings.first().map_or(0, |(time, ..)| time + PIECE);
        readings.iter().take_while(move |(time, ..)| *time < end).cloned()
    });
    let pieces: Vec<Reading> = pieces.collect();
    for (order, size) in (0..orders).zip(UPLOADS.into_iter().cycle()) {
        let mut shuffled = pieces.clone();
        Random::new(order).shuffle(&mut shuffled);
        let device = format!("random-{order}");
        setting.post(&device, &shuffled, size, false).await;
        if order % 2 == 0 {
            Random::new(order + 1).shuffle(&mut shuffled);
            setting.post(&device, &shuffled, size, false).await;
        }
        setting.judged().await;
    }
    setting.judged().await;
    setting.check_exactly("in-order").await;
    let devices: Vec<String> = setting.sent.keys().cloned().collect();
    for device in devices {
        setting.check_told(&device).await;
    }
    setting.check_ids().await;
    drop(setting.notifier);
}
