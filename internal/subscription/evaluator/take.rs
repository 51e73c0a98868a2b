//! Takes what has changed since the last snapshot, judges it, and commits what is to be told.

use super::new_rows::{NEW, NewRows};
use super::portion::Portion;
use super::spans::Spans;
use crate::devices;
use crate::event::{Columns, Event};
use crate::judge::{Device, Judge, Span, Table};
use crate::message::{self, Message};
use crate::rule::Areas;
use crate::rule::Rule;
use crate::subscription::{Fire, READINGS};
use reading::pattern;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::Timestamptz as Instant;
use tokio_postgres::{Error, Transaction};
use uuid::Uuid;

/// Most rows of a device that are kept in memory from one piece of time to the next.
const KEPT: usize = 250_000;

/// What a transaction has found.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) events: Vec<Event>,
    /// What is still to be judged.
    pub(crate) rest: Spans,
}

/// Reads the spans that are new. Returns when the oldest of their changes was made.
pub(crate) async fn changes(
    transaction: &Transaction<'_>,
    new: &NewRows,
    spans: &mut Spans,
) -> Result<Option<i64>, Error> {
    let mut oldest: Option<i64> = None;
    let select = format!("SELECT series, firsts, lasts, at FROM change WHERE {NEW}");
    for row in transaction.query(&select, &[&new.seen, &new.last]).await? {
        let series: Vec<i32> = row.try_get(0)?;
        let (firsts, lasts): (Vec<Instant>, Vec<Instant>) = (row.try_get(1)?, row.try_get(2)?);
        let Instant(at) = row.try_get(3)?;
        oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
        for (series, (first, last)) in series.into_iter().zip(firsts.into_iter().zip(lasts)) {
            spans.add(
                series,
                Span {
                    first: first.0,
                    last: last.0,
                },
            );
        }
    }
    spans.merge();
    Ok(oldest)
}

/// Judges messages that are new.
pub(crate) async fn messages(
    transaction: &Transaction<'_>,
    new: &NewRows,
    rules: &[Arc<Rule>],
) -> Result<Vec<Event>, Error> {
    let topics: HashSet<&str> = rules.iter().map(|rule| rule.subscription.topic.as_str()).collect();
    let topics: Vec<&str> = topics.into_iter().filter(|topic| *topic != READINGS).collect();
    let mut events = Vec::new();
    if topics.is_empty() {
        return Ok(events);
    }
    let select = format!(
        "SELECT topic, id, made, key, author, data::text, at FROM published WHERE {NEW} AND topic = ANY($3) ORDER BY at, id"
    );
    for row in transaction.query(&select, &[&new.seen, &new.last, &topics]).await? {
        let Instant(at) = row.try_get("at")?;
        let message = Message {
            topic: row.try_get("topic")?,
            id: row.try_get("id")?,
            made: row.try_get("made")?,
            key: row.try_get("key")?,
            author: row.try_get("author")?,
            // What is nested more deeply than can be read has no members.
            data: serde_json::from_str(row.try_get("data")?).unwrap_or_default(),
            at,
        };
        let rules = rules.iter().filter(|rule| rule.subscription.topic == message.topic);
        events.extend(rules.filter_map(|rule| message::judge(rule, &message)));
    }
    Ok(events)
}

/// Judges spans by these rules until the portion is used up; the rest waits for the next one. The devices
/// behind the one that was judged last come first.
pub(crate) async fn judge(
    transaction: &Transaction<'_>,
    judge: &mut Judge,
    rules: &[Arc<Rule>],
    areas: &Areas,
    mut spans: Spans,
    portion: &mut Portion,
    now: i64,
) -> Result<Taken, ::postgres::Error> {
    let mut taken = Taken::default();
    let rules: Vec<&Arc<Rule>> = rules.iter().filter(|rule| is_judged(rule)).collect();
    let (mut rows, mut is_over) = (0, false);
    let begun = std::time::Instant::now();
    // One device's month must not hold up the others: each has its turn.
    let mut devices: Vec<_> = devices::of(transaction, &rules, &spans.series())
        .await?
        .into_iter()
        .collect();
    let next = judge
        .turn
        .as_ref()
        .map_or(0, |last| devices.partition_point(|(device, _)| device <= last));
    devices.rotate_left(next);
    for (device, series) in devices {
        let fitting = rules
            .iter()
            .filter(|rule| pattern::fits(&rule.subscription.device, &device));
        let fitting: Vec<&Arc<Rule>> = fitting.copied().collect();
        let ids: Vec<i32> = series.values().map(|(id, _)| *id).collect();
        let known = Device {
            name: &device,
            series: &series,
        };
        // What one piece reads, the next ones need, too.
        let mut table = Table::default();
        for piece in spans.pieces(&ids, portion.piece()) {
            table.limit(KEPT);
            is_over = portion.is_used_up(rows, begun.elapsed());
            if is_over {
                break;
            }
            portion.take();
            if judge.turn.as_ref() != Some(&device) {
                judge.turn = Some(device.clone());
            }
            // Until when each series is judged: a long run is read once, not once for each piece of it.
            let mut until: HashMap<i32, i64> = HashMap::new();
            for rule in &fitting {
                let watched = rule.watched().into_iter();
                let watched: Vec<i32> = watched
                    .filter_map(|sensor| series.get(sensor))
                    .map(|(id, _)| *id)
                    .collect();
                let Some(span) = spans.within(&watched, piece) else {
                    // For this rule, they are judged no further than the piece.
                    until.extend(watched.into_iter().map(|series| (series, i64::MIN)));
                    continue;
                };
                let found = judge.judge(transaction, rule, areas, &known, &mut table, span).await?;
                rows += found.rows;
                for series in watched {
                    let until = until.entry(series).or_insert(i64::MAX);
                    *until = found.until.min(*until);
                }
                let events = found.firings.iter();
                taken
                    .events
                    .extend(events.map(|firing| Event::of_reading(&rule.subscription, &device, firing, now)));
            }
            let judged = piece.last + 1;
            for series in &ids {
                let until = until.get(series).copied().unwrap_or(judged);
                spans.remove_before(&[*series], until.max(judged));
            }
        }
        if is_over {
            taken.rest = spans;
            break;
        }
        spans.remove(&ids);
    }
    Ok(taken)
}

/// Whether a rule is judged by new readings.
pub(crate) fn is_judged(rule: &Rule) -> bool {
    rule.subscription.topic == READINGS && rule.subscription.fire != Fire::Quiet
}

/// Writes deliveries. `next` holds the number of the next one by subscription.
pub(crate) async fn deliver(
    transaction: &Transaction<'_>,
    events: Vec<Event>,
    at: i64,
    next: &mut HashMap<Uuid, i64>,
) -> Result<(), Error> {
    let insert = "INSERT INTO delivery (subscription, lane, seq, id, key, type, moment, data, at)
        SELECT subscription, 0, seq, id, key, type, moment, data, $8
        FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::jsonb[])
            AS new (subscription, seq, id, key, type, moment, data)";
    for events in events.chunks(1000) {
        let numbers: Vec<i64> = events
            .iter()
            .map(|event| {
                let next = next.entry(event.subscription).or_insert(1);
                *next += 1;
                *next - 1
            })
            .collect();
        let columns = Columns::of(events);
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
            &columns.subscriptions,
            &numbers,
            &columns.ids,
            &columns.keys,
            &columns.kinds,
            &columns.moments,
            &columns.data,
            &Instant(at),
        ];
        transaction.execute(insert, &parameters).await?;
    }
    Ok(())
}
