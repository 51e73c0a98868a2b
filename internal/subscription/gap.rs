//! Events that were noticed and not queued, because the queue was full. A replay queues them.

use crate::event::{self, Columns, Event};
use crate::rule::Rule;
use crate::subscription::READINGS;
use std::collections::{BTreeMap, HashMap};
use store::Timestamptz as Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Transaction};
use uuid::Uuid;

/// Keeps which events were not queued, and counts them.
pub(crate) async fn keep(transaction: &Transaction<'_>, events: &[Event], at: i64) -> Result<(), Error> {
    let insert = "INSERT INTO gap (subscription, id, key, type, moment, data, at)
        SELECT subscription, id, key, type, moment, data, $7
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::jsonb[])
            AS new (subscription, id, key, type, moment, data)
        ON CONFLICT DO NOTHING";
    for events in events.chunks(1000) {
        let columns = Columns::of(events);
        let data: Vec<Option<&serde_json::Value>> = events
            .iter()
            .map(|event| event::kind_of_reading(&event.kind).is_none().then_some(&event.data))
            .collect();
        let parameters: [&(dyn ToSql + Sync); 7] = [
            &columns.subscriptions,
            &columns.ids,
            &columns.keys,
            &columns.kinds,
            &columns.moments,
            &data,
            &Instant(at),
        ];
        transaction.execute(insert, &parameters).await?;
    }
    let mut counts: HashMap<Uuid, i64> = HashMap::new();
    for event in events {
        *counts.entry(event.subscription).or_default() += 1;
    }
    for (id, count) in &counts {
        let gaps = "UPDATE subscription SET gaps = gaps + $2 WHERE id = $1";
        transaction.execute(gaps, &[id, count]).await?;
    }
    Ok(())
}

/// Takes the first events of a span that were not queued, at most `most`.
pub(crate) async fn take(
    transaction: &Transaction<'_>,
    rule: &Rule,
    (since, until): (Instant, Instant),
    most: i64,
    now: i64,
) -> Result<Vec<Event>, Error> {
    let id = rule.subscription.id;
    let delete = "WITH first AS (
            SELECT moment, id FROM gap WHERE subscription = $1 AND moment >= $2 AND moment < $3
            ORDER BY moment, id LIMIT $4
        ), taken AS (
            DELETE FROM gap USING first
            WHERE gap.subscription = $1 AND gap.moment = first.moment AND gap.id = first.id
            RETURNING gap.id, gap.key, gap.type, gap.moment, gap.data::text
        )
        SELECT * FROM taken ORDER BY moment, id";
    let rows = transaction.query(delete, &[&id, &since, &until, &most]).await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in &rows {
        let Instant(moment) = row.try_get("moment")?;
        let data: Option<&str> = row.try_get("data")?;
        events.push(Event {
            subscription: id,
            id: row.try_get("id")?,
            key: row.try_get("key")?,
            kind: row.try_get("type")?,
            moment,
            data: data
                .and_then(|data| serde_json::from_str(data).ok())
                .unwrap_or_default(),
        });
    }
    if rule.subscription.topic == READINGS {
        let mut values = values(transaction, rule, &events).await?;
        for (at, event) in events.iter_mut().enumerate() {
            let values = values.remove(&at).unwrap_or_default();
            event.data = event::data_of_gap(&rule.subscription, event, values, now);
        }
    }
    let gaps = "UPDATE subscription SET gaps = greatest(gaps - $2, 0) WHERE id = $1";
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    transaction.execute(gaps, &[&id, &count]).await?;
    Ok(events)
}

/// What the sensors of the rule said at the moments of these events, by the place of the event.
async fn values(
    transaction: &Transaction<'_>,
    rule: &Rule,
    events: &[Event],
) -> Result<HashMap<usize, BTreeMap<String, f64>>, Error> {
    let devices: Vec<&str> = events
        .iter()
        .map(|event| event.key.as_deref().unwrap_or_default())
        .collect();
    let moments: Vec<Instant> = events.iter().map(|event| Instant(event.moment)).collect();
    let select = "SELECT event.number - 1, series.sensor, last.value
        FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS event (device, moment, number)
        JOIN series ON series.device = event.device AND series.sensor = ANY($3),
        LATERAL (SELECT value FROM reading WHERE series_id = series.id AND timestamp <= event.moment
            AND timestamp >= event.moment - $4::int8 * interval '1 us' ORDER BY timestamp DESC LIMIT 1) AS last";
    let watched = rule.watched();
    let watched: Vec<&str> = watched.into_iter().collect();
    let tolerance = rule.subscription.tolerance;
    let parameters: [&(dyn ToSql + Sync); 4] = [&devices, &moments, &watched, &tolerance];
    let mut values: HashMap<usize, BTreeMap<String, f64>> = HashMap::new();
    for row in transaction.query(select, &parameters).await? {
        let number: i64 = row.try_get(0)?;
        let at = usize::try_from(number).unwrap_or_default();
        values.entry(at).or_default().insert(row.try_get(1)?, row.try_get(2)?);
    }
    Ok(values)
}
