//! The live stream while the recordings arrive: the last value of each series, each day and each receipt.

use super::fleet::Fleet;
use super::unit;
use super::values::receipt;
use super::zones::{moment, text, utc_date};
use crate::system::client;
use reqwest::Response;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A listener, and what it was told.
struct Listener {
    answer: Response,
    /// What has come of the next event.
    rest: String,
    /// Names of the events, in their order.
    names: Vec<String>,
    /// The last value of each series, as it was told.
    latest: BTreeMap<(String, String), Value>,
    /// Devices and days.
    days: BTreeSet<(String, String)>,
    receipts: BTreeMap<String, Value>,
    /// It has an id to go on from, so it is told what happens from now on.
    has_id: bool,
}

impl Listener {
    async fn start(fleet: &Fleet, query: &str) -> Self {
        let url = format!("{}/live{query}", fleet.system.api_url);
        let answer = client().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut listener = Self {
            answer,
            rest: String::new(),
            names: Vec::new(),
            latest: BTreeMap::new(),
            days: BTreeSet::new(),
            receipts: BTreeMap::new(),
            has_id: false,
        };
        listener.until(|listener| listener.has_id).await;
        listener
    }

    /// Listens until something is so. The client has a deadline.
    async fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            let piece = self.answer.chunk().await.unwrap().expect("the stream goes on");
            self.rest.push_str(std::str::from_utf8(&piece).unwrap());
            while let Some((event, rest)) = self.rest.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.rest = rest;
                self.take(&event);
            }
        }
    }

    fn take(&mut self, event: &str) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        self.has_id |= field("id: ").is_some();
        let (Some(name), Some(data)) = (field("event: "), field("data: ")) else {
            return;
        };
        self.names.push(name.to_owned());
        let data: Value = serde_json::from_str(data).unwrap();
        let member = |name: &str| data[name].as_str().unwrap().to_owned();
        match name {
            "hello" => assert!(data["time"].is_string(), "{data}"),
            "latest" => {
                let series = (member("device"), member("sensor"));
                let time = member("timestamp");
                let before = self.latest.insert(series, data.clone());
                let before = before.map(|before| moment(before["timestamp"].as_str().unwrap()));
                assert!(before.is_none_or(|before| before <= moment(&time)), "{data} is older");
            }
            "day" => {
                self.days.insert((member("device"), member("day")));
            }
            "upload" => {
                self.receipts.insert(member("id"), data.clone());
            }
            other => panic!("{other}: {data}"),
        }
    }
}

#[tokio::test]
async fn listeners_are_told_of_all_that_arrives() {
    let mut fleet = Fleet::empty().await;
    let mut all = Listener::start(&fleet, "").await;
    let mut some = Listener::start(&fleet, "?device=late&device=gap&sensor=speed").await;
    fleet.send(&["speed", "fuel"]).await;

    let latest = |((device, sensor), series): (&(String, String), &BTreeMap<i64, f64>)| {
        let (time, value) = series.last_key_value().unwrap();
        let told = json!({
            "device": device, "sensor": sensor, "value": value, "unit": unit(sensor), "timestamp": text(*time)
        });
        ((device.clone(), sensor.clone()), told)
    };
    let mut expected: BTreeMap<(String, String), Value> = fleet.held.iter().map(latest).collect();
    let days: BTreeSet<(String, String)> = fleet
        .held
        .iter()
        .flat_map(|((device, _), series)| {
            series
                .keys()
                .map(move |time| (device.clone(), utc_date(*time).to_string()))
        })
        .collect();
    let receipts: BTreeMap<String, Value> = fleet
        .uploads
        .iter()
        .map(|upload| (upload.id.clone(), receipt(upload)))
        .collect();
    all.until(|all| all.latest == expected && all.days == days && all.receipts == receipts)
        .await;
    assert_eq!(all.names[0], "hello");

    expected.retain(|(device, sensor), _| device != "ordered" && sensor == "speed");
    some.until(|some| some.latest == expected && some.receipts == receipts)
        .await;
    assert_eq!(some.names[0], "hello");

    // Who comes now gets the last values, and no news.
    let late = Listener::start(&fleet, "?device=late&device=gap&sensor=speed").await;
    assert_eq!(late.latest, expected);
    assert!(late.days.is_empty() && late.receipts.is_empty(), "{:?}", late.names);
}
