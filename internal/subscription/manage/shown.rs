//! What answers show of a subscription.

use super::span;
use crate::Subscription;
use crate::subscription::READINGS;
use jiff::Timestamp;
use reading::time::micros;
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What became of a subscription's deliveries so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Standing {
    /// Deliveries that have not ended.
    pub(super) pending: i64,
    pub(super) last: Option<Last>,
}

/// The last try of a subscription.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Last {
    pub(super) at: Timestamp,
    #[serde(rename = "try")]
    pub(super) tried: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<i32>,
    pub(super) ms: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    pub(super) outcome: String,
}

/// A subscription as JSON. `headers` has names only: their values are secrets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    name: String,
    id: Uuid,
    state: &'static str,
    pending: i64,
    gaps: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_attempt: Option<Last>,
    topic: String,
    #[serde(flatten)]
    readings: Option<OfReadings>,
    filter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<String>,
    target_url: String,
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    method: String,
    headers: BTreeMap<String, Option<String>>,
    ordering: &'static str,
    parallel: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    timeout: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<Vec<String>>,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_until: Option<Timestamp>,
    created: Option<Timestamp>,
}

/// What is about readings only.
#[derive(Serialize)]
struct OfReadings {
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    clear: Option<String>,
    fire: &'static str,
    #[serde(rename = "for")]
    hold: String,
    silence: String,
    tolerance: String,
}

impl Shown {
    pub(super) fn of(subscription: Subscription, standing: Standing) -> Self {
        let state = state(&subscription, &standing);
        let it = subscription;
        let readings = (it.topic == READINGS).then(|| OfReadings {
            device: it.device,
            clear: it.clear,
            fire: it.fire.name(),
            hold: span::text(it.hold),
            silence: span::text(it.silence),
            tolerance: span::text(it.tolerance),
        });
        Self {
            name: it.name,
            id: it.id,
            state,
            pending: standing.pending,
            gaps: it.gaps,
            problem: it.problem,
            last_attempt: standing.last,
            topic: it.topic,
            readings,
            filter: it.filter,
            every: it.every.map(span::text),
            max_age: it.max_age.map(span::text),
            target_url: it.target_url,
            format: it.format.name(),
            body: it.body,
            method: it.method,
            headers: it.headers.into_keys().map(|name| (name, None)).collect(),
            ordering: it.ordering.name(),
            parallel: it.parallel,
            rate: it.rate,
            timeout: span::text(micros(it.timeout)),
            retries: it
                .retries
                .map(|waits| waits.into_iter().map(|wait| span::text(micros(wait))).collect()),
            enabled: it.enabled,
            previous_until: it.previous_until.and_then(instant),
            created: instant(it.created),
        }
    }
}

/// A subscription's state in one word.
fn state(subscription: &Subscription, standing: &Standing) -> &'static str {
    let failed = |last: &Last| matches!(last.outcome.as_str(), "retry" | "dead" | "gone");
    if subscription.problem.is_some() {
        "problem"
    } else if !subscription.enabled {
        "paused"
    } else if !is_in_force(subscription) {
        "pending"
    } else if standing.last.as_ref().is_some_and(failed) {
        "failing"
    } else {
        "active"
    }
}

/// Whether today's rule is evaluated.
pub(super) fn is_in_force(subscription: &Subscription) -> bool {
    subscription.in_force == Some(subscription.rule)
}

pub(super) fn instant(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}
