//! `odograph subscriptions apply`: makes the notifier's subscriptions those of a file.

use super::api::Api;
use super::areas;
use super::text::{json_in, text_of};
use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// What a file says.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    subscriptions: Vec<(String, Value)>,
    /// None if the file does not mention areas.
    areas: Option<Map<String, Value>>,
}

impl Plan {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        Self::of(json_in(file)?).with_context(|| format!("{}", file.display()))
    }

    pub(super) fn of(file: Value) -> anyhow::Result<Self> {
        let Value::Object(mut members) = file else {
            bail!("the file is not a JSON object; write {{\"subscriptions\": […]}}");
        };
        let areas = match members.remove("areas") {
            None => None,
            Some(Value::Object(areas)) => Some(areas),
            Some(_) => bail!("areas: write an object of GeoJSON by name"),
        };
        let Some(Value::Array(listed)) = members.remove("subscriptions") else {
            bail!("subscriptions: write a list");
        };
        if let Some(unknown) = members.keys().next() {
            bail!("{unknown:?}: unknown; the file has \"subscriptions\" and \"areas\"");
        }
        let (mut subscriptions, mut names) = (Vec::new(), BTreeSet::new());
        for (at, subscription) in listed.into_iter().enumerate() {
            let number = at + 1;
            let Some(name) = subscription["name"].as_str().map(str::to_owned) else {
                bail!("subscription {number} has no name");
            };
            if !names.insert(name.clone()) {
                bail!("subscription {number}: the name {name:?} is in the file twice");
            }
            subscriptions.push((name, subscription));
        }
        Ok(Self { subscriptions, areas })
    }
}

/// Does what a file says, areas first, since filters name them. Returns `{"done":[[what,name],…]}`.
pub(super) async fn apply(api: &Api, plan: &Plan, prune: bool) -> anyhow::Result<Value> {
    let mut done = Vec::new();
    for (name, geojson) in plan.areas.iter().flatten() {
        let (_, what) = areas::set(api, name, geojson)
            .await
            .with_context(|| format!("area {name}"))?;
        done.push(json!([what, format!("area {name}")]));
    }
    let before = api.get(&["subscriptions"]).await?;
    let before = before["subscriptions"].as_array().cloned().unwrap_or_default();
    for (name, subscription) in &plan.subscriptions {
        let old = before.iter().find(|old| old["name"] == **name);
        let stored = api.store(name, subscription.clone(), old.is_some()).await;
        let (new, created) = stored.with_context(|| format!("subscription {name}"))?;
        let what = match old {
            _ if created => "created",
            Some(old) if definition(old) == definition(&new) && !has_headers(subscription) => "unchanged",
            _ => "replaced",
        };
        done.push(json!([what, name]));
    }
    if prune {
        let named = |name: &str| plan.subscriptions.iter().any(|(known, _)| known == name);
        for name in before
            .iter()
            .filter_map(|old| old["name"].as_str())
            .filter(|name| !named(name))
        {
            api.delete(&["subscriptions", name]).await?;
            done.push(json!(["deleted", name]));
        }
        if let Some(areas) = &plan.areas {
            let all = api.get(&["areas"]).await?;
            let all = all["areas"].as_array().into_iter().flatten();
            for name in all
                .filter_map(|area| area["name"].as_str())
                .filter(|name| !areas.contains_key(*name))
            {
                api.delete(&["areas", name]).await?;
                done.push(json!(["deleted", format!("area {name}")]));
            }
        }
    }
    Ok(json!({"done": done}))
}

/// What was done, a line each.
pub(super) fn done(answer: &Value) -> String {
    let lines = answer["done"].as_array().into_iter().flatten();
    let text: String = lines
        .map(|line| format!("{:9}  {}\n", text_of(&line[0]), text_of(&line[1])))
        .collect();
    if text.is_empty() {
        return "The file names nothing, so nothing is done.\n".to_owned();
    }
    text
}

/// A subscription without what changes by itself.
fn definition(subscription: &Value) -> Value {
    let mut definition = subscription.clone();
    if let Some(members) = definition.as_object_mut() {
        for name in ["state", "pending", "gaps", "problem", "lastAttempt", "previousUntil"] {
            members.remove(name);
        }
    }
    definition
}

/// Whether values of headers are given: the notifier does not show those that it has.
fn has_headers(subscription: &Value) -> bool {
    let headers = subscription["headers"].as_object();
    headers.is_some_and(|headers| headers.values().any(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_checked_before_anything_is_done() {
        let plan = Plan::of(json!({"subscriptions": [{"name": "a"}, {"name": "b"}], "areas": {"home": {}}})).unwrap();
        let names: Vec<&str> = plan.subscriptions.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(plan.areas.unwrap().contains_key("home"));
        for (file, expected) in [
            (json!([]), "not a JSON object"),
            (json!({}), "subscriptions: write a list"),
            (json!({"subscriptions": {}}), "subscriptions: write a list"),
            (json!({"subscriptions": [], "areas": []}), "areas: write an object"),
            (json!({"subscriptions": [], "area": {}}), "\"area\": unknown"),
            (
                json!({"subscriptions": [{"name": "a"}, {}]}),
                "subscription 2 has no name",
            ),
            (
                json!({"subscriptions": [{"name": "a"}, {"name": "a"}]}),
                "subscription 2: the name \"a\"",
            ),
        ] {
            let told = Plan::of(file).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
        }
    }
}
