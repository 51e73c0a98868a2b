//! The rules of all subscriptions: which are in force, and which are to come into force.

use crate::area::Area;
use crate::delivery::check;
use crate::rule::Areas;
use crate::rule::Rule;
use crate::subscription::{Fire, READINGS, Subscription};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio_postgres::{Client, Error, Transaction};
use uuid::Uuid;
use webhook::Allowed;

/// Why a rule with a slow filter is not judged.
const TOO_SLOW: &str = "Most evaluations of the filter take longer than 50 microseconds, which would hold up the others: make it simpler. It is judged again once it is edited.";

/// Subscriptions and areas as of an edit.
#[derive(Default)]
pub(crate) struct Rules {
    /// `interest.edits`.
    pub(crate) edits: i64,
    pub(crate) subscriptions: Arc<Vec<Subscription>>,
    /// Those whose filters compile.
    pub(crate) all: Vec<Arc<Rule>>,
    pub(crate) areas: Arc<Areas>,
    /// Why others do not compile, or are not judged; and which of [`Self::all`] name an area that is not there, or
    /// cannot be sent.
    pub(crate) problems: Vec<(Uuid, i32, String)>,
    /// Rules whose filters are too slow, until they are edited.
    slow: HashMap<Uuid, i32>,
    /// Targets that are opened though they are not public.
    pub(crate) allowed: Allowed,
    geojson: BTreeMap<String, serde_json::Value>,
}

impl Rules {
    /// None, before they are read.
    pub(crate) fn of(allowed: Allowed) -> Self {
        Self {
            allowed,
            ..Self::default()
        }
    }

    /// Reads everything, and compiles what `before` has not.
    pub(crate) async fn read(client: &mut Client, before: &Self) -> Result<Self, Error> {
        let transaction = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let edits = transaction
            .query_one("SELECT edits FROM interest", &[])
            .await?
            .try_get(0)?;
        let subscriptions = Subscription::all(&transaction).await?;
        let mut geojson = BTreeMap::new();
        for row in transaction.query("SELECT name, geojson::text FROM area", &[]).await? {
            // What is nested more deeply than can be read is no area.
            let text: &str = row.try_get(1)?;
            geojson.insert(row.try_get(0)?, serde_json::from_str(text).unwrap_or_default());
        }
        transaction.commit().await?;
        let areas = if geojson == before.geojson {
            before.areas.clone()
        } else {
            Arc::new(areas(&geojson))
        };
        let slow = before.all.iter().filter(|rule| rule.cost.is_too_high());
        let mut slow: HashMap<Uuid, i32> = slow
            .map(|rule| (rule.subscription.id, rule.subscription.rule))
            .chain(before.slow.iter().map(|(id, rule)| (*id, *rule)))
            .collect();
        slow.retain(|id, rule| subscriptions.iter().any(|row| row.id == *id && row.rule == *rule));
        let known: HashMap<Uuid, &Arc<Rule>> = before.all.iter().map(|rule| (rule.subscription.id, rule)).collect();
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for subscription in &subscriptions {
            if slow.contains_key(&subscription.id) {
                problems.push((subscription.id, subscription.rule, TOO_SLOW.to_owned()));
                continue;
            }
            let same = known
                .get(&subscription.id)
                .filter(|rule| rule.subscription == *subscription);
            if let Some(rule) = same {
                all.push(Arc::clone(rule));
                continue;
            }
            match Rule::compile(subscription.clone()) {
                Ok(mut rule) => {
                    rule.unsendable = check(&rule.subscription, &before.allowed).err();
                    all.push(Arc::new(rule));
                }
                Err(invalid) => problems.push((subscription.id, subscription.rule, invalid.to_string())),
            }
        }
        // Of these, one is judged all the same: events are made once the area is set, and sent once they can be.
        for rule in &all {
            let it = &rule.subscription;
            if let Some(area) = rule.missing_area(&areas) {
                let problem = format!("there is no area {area}: set it, or name another one");
                problems.push((it.id, it.rule, problem));
            } else if let Some(problem) = &rule.unsendable {
                problems.push((it.id, it.rule, problem.clone()));
            }
        }
        Ok(Self {
            edits,
            subscriptions: Arc::new(subscriptions),
            all,
            areas,
            problems,
            slow,
            allowed: before.allowed.clone(),
            geojson,
        })
    }

    /// Writes which series are of interest where that changed, and what is wrong with rules that do not compile.
    pub(crate) async fn publish(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let mut sensors: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for rule in &self.all {
            if rule.subscription.topic == READINGS && rule.subscription.fire != Fire::Quiet {
                let device = sensors.entry(&rule.subscription.device).or_default();
                device.extend(rule.watched());
            }
        }
        let patterns: serde_json::Value = sensors
            .into_iter()
            .map(|(device, sensors)| json!({"device": device, "sensors": sensors}))
            .collect();
        let update = "UPDATE interest SET patterns = $1, version = version + 1 WHERE patterns <> $1";
        transaction.execute(update, &[&patterns]).await?;
        // What disabled a subscription stays until it is resumed.
        let wrong: Vec<Uuid> = self.problems.iter().map(|(id, ..)| *id).collect();
        let clear = "UPDATE subscription SET problem = NULL WHERE problem IS NOT NULL AND enabled AND id <> ALL($1)";
        transaction.execute(clear, &[&wrong]).await?;
        for (id, rule, problem) in &self.problems {
            let update =
                "UPDATE subscription SET problem = $3 WHERE id = $1 AND rule = $2 AND problem IS DISTINCT FROM $3";
            transaction.execute(update, &[id, rule, problem]).await?;
        }
        Ok(())
    }

    /// What is wrong with this subscription.
    pub(crate) fn problem_of(&self, id: Uuid) -> Option<&str> {
        let problem = self.problems.iter().find(|(other, ..)| *other == id);
        problem.map(|(.., problem)| problem.as_str())
    }

    /// Whether a rule of these is judged differently from one of the others, beside its own edits.
    pub(crate) fn has_other_areas(&self, other: &Self) -> bool {
        !Arc::ptr_eq(&self.areas, &other.areas)
    }
}

/// The areas that can be read; others are as if they were not there.
fn areas(geojson: &BTreeMap<String, serde_json::Value>) -> Areas {
    let all = geojson.iter();
    all.filter_map(|(name, geojson)| match Area::parse(geojson) {
        Ok(area) => Some((name.clone(), area)),
        Err(error) => {
            tracing::warn!(area = name, %error, "an area cannot be read, so nothing is inside it; set it again");
            None
        }
    })
    .collect()
}
