//! Compares the events that the endpoint took with the final table, and with the published messages.

use super::publish::is_wanted;
use super::rules::{Fire, MESSAGES, RULES, Rule};
use super::runs::{Event, Events, Kind, Outcome, Pass};
use super::sink::Taken;
use anyhow::Context;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::Client;

/// Examples reported of each rule.
const EXAMPLES: usize = 5;

/// Counts of checked events, and mistakes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    /// Runs and moments of the final table that must hold an event, and wanted messages.
    pub(crate) expected: u64,
    /// Events that were taken, each once.
    pub(crate) taken: u64,
    pub(crate) missing: u64,
    pub(crate) wrong: Vec<String>,
}

/// What the endpoint took, by subscription.
#[derive(Default)]
struct Sorted {
    /// By rule and device.
    of_readings: HashMap<(&'static str, String), Events>,
    /// Ids by number.
    of_messages: BTreeMap<u64, String>,
    wrong: Vec<String>,
}

/// Checks all events. `messages` were published.
pub(super) async fn check(client: &Client, taken: HashMap<String, Taken>, messages: u64) -> anyhow::Result<Checked> {
    let mut checked = Checked {
        taken: taken.len() as u64,
        ..Checked::default()
    };
    let mut sorted = Sorted::default();
    for (id, taken) in taken {
        if sorted.take(&id, &taken).is_none() {
            sorted.wrong.push(format!(
                "{} got an event that is none: {id} {}",
                taken.subscription, taken.body
            ));
        }
    }
    checked.wrong.extend(sorted.wrong.drain(..).take(EXAMPLES));
    for rule in &RULES {
        readings(client, rule, &mut sorted, &mut checked).await?;
        marks(client, rule, &sorted, &mut checked).await?;
    }
    for number in 0..messages {
        let is_there = sorted.of_messages.contains_key(&number);
        checked.expected += u64::from(is_wanted(number));
        if is_there != is_wanted(number) {
            checked.missing += u64::from(is_wanted(number));
            checked.wrong.push(format!(
                "message {number}: wanted {}, sent {is_there}",
                is_wanted(number)
            ));
        }
    }
    ends(client, &mut checked).await?;
    Ok(checked)
}

/// Follows every device of a rule's sensor through the final table.
async fn readings(client: &Client, rule: &Rule, sorted: &mut Sorted, checked: &mut Checked) -> anyhow::Result<()> {
    let devices = client
        .query(
            "SELECT id, device FROM series WHERE sensor = $1 ORDER BY device",
            &[&rule.sensor],
        )
        .await
        .context("read the devices of a rule")?;
    let (none, mut wrong) = (Events::new(), Vec::new());
    let mut seen = Vec::new();
    for row in devices {
        let (id, device): (i32, String) = (row.get(0), row.get(1));
        let key = (rule.name, device.clone());
        let events = sorted.of_readings.get(&key).unwrap_or(&none);
        let mut pass = Pass::new(rule, &device, events);
        let select = "SELECT timestamp, value FROM reading WHERE series_id = $1 ORDER BY timestamp";
        let rows = client.query_raw(select, &[&id]).await.context("read a series")?;
        futures_util::pin_mut!(rows);
        while let Some(row) = rows.try_next().await.context("read a series")? {
            let timestamp: Timestamp = row.get(0);
            pass.take(timestamp.as_microsecond(), row.get(1));
        }
        let Outcome {
            expected,
            missing,
            wrong: found,
        } = pass.finish();
        checked.expected += expected;
        checked.missing += missing;
        wrong.extend(found);
        seen.push(key);
    }
    let strange = sorted
        .of_readings
        .keys()
        .filter(|key| key.0 == rule.name && !seen.contains(key));
    wrong.extend(strange.map(|(rule, device)| format!("{rule} {device}: events of a device without readings")));
    if wrong.len() > EXAMPLES {
        wrong.push(format!("{}: {} mistakes in all", rule.name, wrong.len()));
        wrong.drain(EXAMPLES..wrong.len() - 1);
    }
    checked.wrong.extend(wrong);
    Ok(())
}

/// Compares with the marks that the notifiers have left, one for each event.
async fn marks(client: &Client, rule: &Rule, sorted: &Sorted, checked: &mut Checked) -> anyhow::Result<()> {
    let select = "SELECT count(*), count(*) FILTER (WHERE silent) FROM told JOIN subscription ON id = subscription
        WHERE name = $1";
    let row = client
        .query_one(select, &[&rule.name])
        .await
        .context("count the marks")?;
    let (marks, silent): (i64, i64) = (row.get(0), row.get(1));
    let ours = sorted.of_readings.iter().filter(|(key, _)| key.0 == rule.name);
    let taken: usize = ours.map(|(_, events)| events.len()).sum();
    if usize::try_from(marks).ok() != Some(taken) || silent != 0 {
        checked.wrong.push(format!(
            "{}: {marks} moments are marked as told, {silent} of them silently, and {taken} events came",
            rule.name
        ));
    }
    Ok(())
}

/// Checks that no delivery was given up, and no queue was full.
async fn ends(client: &Client, checked: &mut Checked) -> anyhow::Result<()> {
    let select = "SELECT (SELECT count(*) FROM attempt WHERE outcome NOT IN ('delivered', 'retry')),
        (SELECT coalesce(sum(gaps), 0)::bigint FROM subscription),
        (SELECT string_agg(concat_ws(' ', name, problem), '; ') FROM subscription WHERE problem IS NOT NULL OR NOT enabled)";
    let row = client.query_one(select, &[]).await.context("count the attempts")?;
    let (given_up, gaps, problems): (i64, i64, Option<String>) = (row.get(0), row.get(1), row.get(2));
    if given_up != 0 || gaps != 0 || problems.is_some() {
        checked.wrong.push(format!(
            "{given_up} deliveries were given up, {gaps} not queued; problems: {problems:?}"
        ));
    }
    Ok(())
}

impl Sorted {
    /// Takes an event; none if its form is not that of one.
    fn take(&mut self, id: &str, taken: &Taken) -> Option<()> {
        let body: Value = serde_json::from_str(&taken.body).ok()?;
        let kind = body["type"].as_str()?;
        if taken.subscription == MESSAGES {
            let number = body["data"]["body"]["number"].as_u64()?;
            (kind == "odograph.message.v1").then_some(())?;
            if let Some(before) = self.of_messages.insert(number, id.to_owned()) {
                self.wrong
                    .push(format!("message {number} came with two ids: {before} and {id}"));
            }
            return Some(());
        }
        let rule = RULES.iter().find(|rule| rule.name == taken.subscription)?;
        let kind = Kind::of(kind.strip_prefix("odograph.reading.")?.strip_suffix(".v1")?)?;
        rule.fire.makes(kind).then_some(())?;
        let moment: Timestamp = body["timestamp"].as_str()?.parse().ok()?;
        let data = &body["data"];
        (data["subscription"] == rule.name).then_some(())?;
        let device = data["device"].as_str()?;
        let event = Event {
            id: id.to_owned(),
            state: data["state"].as_bool()?,
            value: data["values"][rule.sensor].as_f64()?,
        };
        let events = self.of_readings.entry((rule.name, device.to_owned())).or_default();
        if let Some(before) = events.insert((kind, moment.as_microsecond()), event) {
            self.wrong.push(format!(
                "{} {device} {kind:?} {moment} came with two ids: {} and {id}",
                rule.name, before.id
            ));
        }
        Some(())
    }
}

impl Fire {
    /// Whether a rule makes events of this kind.
    fn makes(self, kind: Kind) -> bool {
        match self {
            Self::Rise => kind == Kind::Rise,
            Self::Fall => kind == Kind::Fall,
            Self::Both => matches!(kind, Kind::Rise | Kind::Fall),
            Self::Change => kind == Kind::Change,
            Self::Each => kind == Kind::Each,
        }
    }
}
