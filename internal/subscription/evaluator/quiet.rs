//! Devices that have become quiet, and those that are back.

use crate::devices;
use crate::event::Event;
use crate::judge::{Firing, Judge, Kind};
use crate::rule::Rule;
use crate::subscription::{Fire, READINGS};
use filter::Value;
use reading::pattern;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Timestamptz as Instant;
use tokio_postgres::{Error, Transaction};

/// A device and when its latest reading was.
type Latest = (String, i64);

/// Marks devices that are quiet already as told.
pub(crate) async fn begin(
    transaction: &Transaction<'_>,
    judge: &mut Judge,
    rule: &Rule,
    now: i64,
) -> Result<(), ::postgres::Error> {
    for (device, latest) in fitting(transaction, rule).await? {
        if now - latest >= rule.subscription.hold {
            judge
                .insert(transaction, rule, &device, &[(Kind::Quiet, latest, true)])
                .await?;
        }
    }
    Ok(())
}

/// Finds the devices that have become quiet since the last look, and those that are back.
pub(crate) async fn look(
    transaction: &Transaction<'_>,
    judge: &mut Judge,
    rules: &[Arc<Rule>],
    now: i64,
) -> Result<Vec<Event>, ::postgres::Error> {
    let mut events = Vec::new();
    for rule in rules {
        let subscription = &rule.subscription;
        if subscription.fire != Fire::Quiet || subscription.topic != READINGS {
            continue;
        }
        let told = last_told(transaction, rule).await?;
        for (device, latest) in fitting(transaction, rule).await? {
            let Told { quiet, event, back } = told.get(&device).copied().unwrap_or_default();
            let kind = if now - latest >= subscription.hold {
                // Told of this silence already.
                if quiet.is_some_and(|quiet| quiet >= latest) {
                    continue;
                }
                Kind::Quiet
            } else {
                // Of a silence without an event, such as one from before the rule, no end is told either.
                let is_back = event.is_some_and(|event| {
                    quiet == Some(event) && event < latest && back.is_none_or(|back| back <= event)
                });
                if !is_back {
                    continue;
                }
                Kind::Fall
            };
            let new = judge
                .insert(transaction, rule, &device, &[(kind, latest, false)])
                .await?;
            if new.is_empty() {
                continue;
            }
            let firing = Firing {
                kind,
                moment: latest,
                state: Value::Bool(kind == Kind::Quiet),
                since: quiet.filter(|_| kind == Kind::Fall).unwrap_or(latest),
                values: BTreeMap::new(),
            };
            events.push(Event::of_reading(subscription, &device, &firing, now));
        }
    }
    Ok(events)
}

/// The devices that a rule is about.
async fn fitting(transaction: &Transaction<'_>, rule: &Rule) -> Result<Vec<Latest>, Error> {
    let all = devices::all(transaction, &rule.watched()).await?;
    let fitting = all
        .into_iter()
        .filter(|(device, _)| pattern::fits(&rule.subscription.device, device));
    let latest = fitting.filter_map(|(device, series)| Some((device, series.values().map(|(_, at)| *at).max()?)));
    Ok(latest.collect())
}

/// Of a device: since when it was quiet the last time, since when it was in the last event of that, and when it was back.
#[derive(Clone, Copy, Default)]
struct Told {
    quiet: Option<i64>,
    event: Option<i64>,
    back: Option<i64>,
}

/// What was told last, by device.
async fn last_told(transaction: &Transaction<'_>, rule: &Rule) -> Result<BTreeMap<String, Told>, Error> {
    let select = "SELECT device, max(moment) FILTER (WHERE kind = 'quiet'),
            max(moment) FILTER (WHERE kind = 'quiet' AND NOT silent), max(moment) FILTER (WHERE kind = 'fall')
        FROM told WHERE subscription = $1 GROUP BY device";
    let mut told = BTreeMap::new();
    for row in transaction.query(select, &[&rule.subscription.id]).await? {
        let at = |column| row.try_get(column).map(|at: Option<Instant>| at.map(|at| at.0));
        let (quiet, event, back) = (at(1)?, at(2)?, at(3)?);
        told.insert(row.try_get(0)?, Told { quiet, event, back });
    }
    Ok(told)
}
