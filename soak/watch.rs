//! Watches the system during the faults: restarts ended processes, and checks that latest values never go
//! back.

use crate::system::System;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// Texts kept of each kind.
const KEPT: usize = 20;

/// Observations during a run.
#[derive(Default)]
pub(crate) struct Seen {
    /// Processes that ended without a fault.
    ended: Mutex<Vec<String>>,
    /// Latest values that went back.
    back: Mutex<Vec<String>>,
    /// Answers with latest values.
    pub(crate) looks: AtomicU64,
}

impl Seen {
    /// Processes that ended without a fault, then latest values that went back.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        wrong.extend(self.back.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        wrong
    }
}

fn keep(kept: &Mutex<Vec<String>>, text: String) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT {
        kept.push(text);
    }
}

/// Restarts ended processes, for ever.
pub(crate) async fn restart_ended(system: Arc<System>, seen: Arc<Seen>) {
    loop {
        match system.restart_ended().await {
            Ok(found) => found.into_iter().for_each(|text| keep(&seen.ended, text)),
            Err(error) => keep(&seen.ended, format!("what had ended could not be started: {error:#}")),
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// Polls the latest values, for ever.
pub(crate) async fn look(system: Arc<System>, http: reqwest::Client, seen: Arc<Seen>) {
    let mut latest: HashMap<String, Timestamp> = HashMap::new();
    loop {
        sleep(Duration::from_millis(100)).await;
        let address = system.api.try_lock().ok().and_then(|api| api.address());
        let Some(address) = address else { continue };
        let Ok(answer) = ask(&http, &format!("http://{address}/api/statistics/latest")).await else {
            continue;
        };
        seen.looks.fetch_add(1, Ordering::Relaxed);
        for (sensor, value) in answer["sensors"].as_object().into_iter().flatten() {
            let Some(moment) = value["timestamp"]
                .as_str()
                .and_then(|text| text.parse::<Timestamp>().ok())
            else {
                keep(&seen.back, format!("{sensor} has no time: {value}"));
                continue;
            };
            let before = latest.entry(sensor.clone()).or_insert(moment);
            if moment < *before {
                keep(
                    &seen.back,
                    format!("the latest {sensor} went back from {before} to {moment}"),
                );
            }
            *before = moment;
        }
    }
}

async fn ask(http: &reqwest::Client, url: &str) -> Result<Value, reqwest::Error> {
    let request = http.get(url).timeout(Duration::from_secs(5));
    request.send().await?.error_for_status()?.json().await
}
