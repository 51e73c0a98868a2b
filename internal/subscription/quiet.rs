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
            let told = told.get(&device);
            let (quiet, back) = told.map_or((None, None), |told| *told);
            let kind = if now - latest >= subscription.hold {
                // Told of this silence already.
                if quiet.is_some_and(|quiet| quiet >= latest) {
                    continue;
                }
                Kind::Quiet
            } else {
                let is_back = quiet.is_some_and(|quiet| quiet < latest && back.is_none_or(|back| back <= quiet));
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

/// By device: when it was last told to be quiet, and back.
async fn last_told(
    transaction: &Transaction<'_>,
    rule: &Rule,
) -> Result<BTreeMap<String, (Option<i64>, Option<i64>)>, Error> {
    let select = "SELECT device, max(moment) FILTER (WHERE kind = 'quiet'), max(moment) FILTER (WHERE kind = 'fall')
        FROM told WHERE subscription = $1 GROUP BY device";
    let mut told = BTreeMap::new();
    for row in transaction.query(select, &[&rule.subscription.id]).await? {
        let (quiet, back): (Option<Instant>, Option<Instant>) = (row.try_get(1)?, row.try_get(2)?);
        told.insert(row.try_get(0)?, (quiet.map(|at| at.0), back.map(|at| at.0)));
    }
    Ok(told)
}
