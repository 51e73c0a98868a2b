//! Replays: events of a span that are sent again, on a lane of their own behind new ones.

use crate::event::{Columns, Event};
use crate::gap;
use crate::rules::Rules;
use store::Timestamptz as Instant;
use tokio_postgres::{Error, Transaction};
use uuid::Uuid;

/// Deliveries that one transaction queues.
const TOGETHER: i64 = 1000;

/// Queues the next part of the oldest replay that is not done. Returns how many deliveries.
pub(crate) async fn step(transaction: &Transaction<'_>, rules: &Rules, at: i64) -> Result<u64, Error> {
    // What SQL alone can write, such as `infinity`, is cut: one row does not stop the evaluator.
    let select = "SELECT id, subscription, greatest(since, timestamptz '0001-01-01 00:00:00Z') AS since,
            least(until, timestamptz '9999-12-31 00:00:00Z') AS until, mode, cursor FROM replay
        WHERE state <> 'done' ORDER BY at, id LIMIT 1";
    let Some(replay) = transaction.query_opt(select, &[]).await? else {
        return Ok(0);
    };
    let (id, subscription): (Uuid, Uuid) = (replay.try_get(0)?, replay.try_get(1)?);
    let (since, until): (Instant, Instant) = (replay.try_get(2)?, replay.try_get(3)?);
    let (mode, cursor): (&str, i64) = (replay.try_get(4)?, replay.try_get(5)?);
    // Those that still wait are sent anyway.
    let requeue = "WITH ended AS (
            SELECT seq, id, key, type, moment, data FROM delivery
            WHERE subscription = $1 AND lane = 0 AND seq > $2 AND moment >= $3 AND moment < $4
                AND (EXISTS (SELECT FROM attempt WHERE attempt.subscription = $1 AND attempt.lane = 0
                        AND attempt.seq = delivery.seq AND outcome IN ('delivered', 'dead', 'gone', 'dropped'))
                    OR seq <= (SELECT upto FROM progress WHERE shard = 0 AND progress.subscription = $1 AND lane = 0))
                AND ($5 = 'all' OR NOT EXISTS (SELECT FROM attempt WHERE attempt.subscription = $1 AND attempt.lane = 0
                        AND attempt.seq = delivery.seq AND outcome = 'delivered'))
            ORDER BY seq LIMIT $6
        ), queued AS (
            INSERT INTO delivery (subscription, lane, seq, id, key, type, moment, data, at)
            SELECT $1, 1, last.seq + row_number() OVER (ORDER BY ended.seq), id, key, type, moment, data, $7
            FROM ended, (SELECT greatest(
                coalesce((SELECT max(seq) FROM delivery WHERE subscription = $1 AND lane = 1), 0),
                coalesce((SELECT upto FROM progress WHERE shard = 0 AND subscription = $1 AND lane = 1), 0)) AS seq) AS last
        )
        SELECT count(*), max(seq) FROM ended";
    let found = transaction
        .query_one(
            requeue,
            &[&subscription, &cursor, &since, &until, &mode, &TOGETHER, &Instant(at)],
        )
        .await?;
    let (mut queued, last): (i64, Option<i64>) = (found.try_get(0)?, found.try_get(1)?);
    let mut done = queued < TOGETHER;
    let rule = rules.all.iter().find(|rule| rule.subscription.id == subscription);
    if let Some(rule) = rule.filter(|_| done) {
        let events = gap::take(transaction, rule, (since, until), TOGETHER, at).await?;
        let filled = queue(transaction, &events, at).await?;
        done = filled < TOGETHER;
        queued += filled;
    }
    let update = "UPDATE replay SET cursor = coalesce($2, cursor), queued = queued + $3,
            state = CASE WHEN $4 THEN 'done' ELSE 'running' END
        WHERE id = $1";
    transaction.execute(update, &[&id, &last, &queued, &done]).await?;
    Ok(queued.unsigned_abs())
}

/// Queues events that were never queued, behind those that are sent again.
async fn queue(transaction: &Transaction<'_>, events: &[Event], at: i64) -> Result<i64, Error> {
    let Some(first) = events.first() else {
        return Ok(0);
    };
    let Columns {
        ids,
        keys,
        kinds,
        moments,
        data,
        ..
    } = Columns::of(events);
    let insert = "INSERT INTO delivery (subscription, lane, seq, id, key, type, moment, data, at)
        SELECT $1, 1, last.seq + number, id, key, type, moment, data, $7
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::jsonb[])
            WITH ORDINALITY AS new (id, key, type, moment, data, number),
            (SELECT greatest(
                coalesce((SELECT max(seq) FROM delivery WHERE subscription = $1 AND lane = 1), 0),
                coalesce((SELECT upto FROM progress WHERE shard = 0 AND subscription = $1 AND lane = 1), 0)) AS seq) AS last";
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&first.subscription, &ids, &keys, &kinds, &moments, &data, &Instant(at)];
    let count = transaction.execute(insert, &parameters).await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}
