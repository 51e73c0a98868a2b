//! Replays: events of a span that are sent again, on a lane of their own behind new ones.

use crate::event;
use crate::judge::Kind;
use crate::rules::Rules;
use crate::subscription::Subscription;
use std::collections::HashSet;
use store::Timestamptz as Instant;
use tokio_postgres::{Error, Transaction};
use uuid::Uuid;

/// Deliveries that one transaction queues.
const TOGETHER: i64 = 1000;

/// Most told moments whose events were never queued, which one replay makes anew.
const GAPS: i64 = 100_000;

/// Queues the next part of the oldest replay that is not done. Returns how many deliveries.
pub(crate) async fn step(transaction: &Transaction<'_>, rules: &Rules, at: i64) -> Result<u64, Error> {
    let select = "SELECT id, subscription, since, until, mode, cursor FROM replay
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
    let done = queued < TOGETHER;
    if done && has_gaps(transaction, subscription).await? {
        let it = rules.subscriptions.iter().find(|one| one.id == subscription);
        if let Some(it) = it {
            queued += fill_gaps(transaction, it, since, until, at).await?;
        }
    }
    let update = "UPDATE replay SET cursor = coalesce($2, cursor), queued = queued + $3,
            state = CASE WHEN $4 THEN 'done' ELSE 'running' END
        WHERE id = $1";
    transaction.execute(update, &[&id, &last, &queued, &done]).await?;
    Ok(queued.unsigned_abs())
}

async fn has_gaps(transaction: &Transaction<'_>, subscription: Uuid) -> Result<bool, Error> {
    let select = "SELECT FROM subscription WHERE id = $1 AND gaps > 0";
    Ok(transaction.query_opt(select, &[&subscription]).await?.is_some())
}

/// Makes events anew that were noticed, and not queued because the queue was full. What the sensors said is in the
/// readings.
async fn fill_gaps(
    transaction: &Transaction<'_>,
    subscription: &Subscription,
    since: Instant,
    until: Instant,
    at: i64,
) -> Result<i64, Error> {
    let select = "SELECT id FROM delivery WHERE subscription = $1 AND moment >= $2 AND moment < $3";
    let rows = transaction.query(select, &[&subscription.id, &since, &until]).await?;
    let known: HashSet<Uuid> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let select = "SELECT device, kind, moment FROM told
        WHERE subscription = $1 AND moment >= $2 AND moment < $3 AND NOT silent ORDER BY moment LIMIT $4";
    let rows = transaction
        .query(select, &[&subscription.id, &since, &until, &GAPS])
        .await?;
    let (mut ids, mut devices, mut kinds, mut moments, mut data) = (vec![], vec![], vec![], vec![], vec![]);
    for row in &rows {
        let (device, kind, Instant(moment)): (&str, &str, Instant) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let Some(kind) = Kind::of(kind) else { continue };
        let event = event::of_told(subscription, device, kind, moment);
        if !known.contains(&event.id) {
            ids.push(event.id);
            devices.push(device);
            kinds.push(event.kind);
            moments.push(Instant(moment));
            data.push(event.data);
        }
    }
    let insert = "INSERT INTO delivery (subscription, lane, seq, id, key, type, moment, data, at)
        SELECT $1, 1, last.seq + number, id, key, type, moment, data, $7
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::jsonb[])
            WITH ORDINALITY AS new (id, key, type, moment, data, number),
            (SELECT greatest(
                coalesce((SELECT max(seq) FROM delivery WHERE subscription = $1 AND lane = 1), 0),
                coalesce((SELECT upto FROM progress WHERE shard = 0 AND subscription = $1 AND lane = 1), 0)) AS seq) AS last";
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&subscription.id, &ids, &devices, &kinds, &moments, &data, &Instant(at)];
    let count = transaction.execute(insert, &parameters).await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}
