//! SQL of subscriptions: their rows, and how their deliveries stand.

pub(super) mod areas;
pub(super) mod attempts;

use super::shown::{Last, Standing};
use crate::Subscription;
use crate::subscription::COLUMNS;
use reading::time::micros;
use serde_json::json;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, GenericClient, Row};
use uuid::Uuid;

/// The columns of a definition, and their parameters, from `$1`.
const DEFINED: &str = "name, topic, device, filter, clear, fire, hold, silence, tolerance, every, max_age, target_url,
    format, body, method, headers, ordering, parallel, rate, timeout, retries, enabled";
const PARAMETERS: &str = "$1::text, $2::text, $3::text, $4::text, $5::text, $6::text,
    $7::int8 * interval '1 us', $8::int8 * interval '1 us', $9::int8 * interval '1 us',
    $10::int8 * interval '1 us', $11::int8 * interval '1 us', $12::text, $13::text, $14::text, $15::text, $16::jsonb,
    $17::text, $18::int4, $19::float8, $20::int8 * interval '1 us',
    (SELECT array_agg(wait * interval '1 us' ORDER BY at) FROM unnest($21::int8[]) WITH ORDINALITY AS waits(wait, at)),
    $22::bool";

/// The deliveries of a subscription that have not ended, by lane, and its last try. Those that were redriven below
/// `progress.upto` do not count.
const STANDING: &str = "
    LEFT JOIN LATERAL (
        SELECT sum(greatest(newest.seq - done.upto - ended.count, 0))::int8 AS pending
        FROM (VALUES (0::smallint), (1::smallint)) AS lanes(lane)
        CROSS JOIN LATERAL (SELECT coalesce(max(seq), 0) AS seq FROM delivery
            WHERE subscription = it.id AND delivery.lane = lanes.lane) newest
        CROSS JOIN LATERAL (SELECT coalesce(max(upto), 0) AS upto FROM progress
            WHERE shard = 0 AND subscription = it.id AND progress.lane = lanes.lane) done
        CROSS JOIN LATERAL (SELECT count(DISTINCT seq) AS count FROM attempt
            WHERE subscription = it.id AND attempt.lane = lanes.lane AND seq > done.upto
            AND outcome IN ('delivered', 'dead', 'gone', 'dropped')) ended
    ) queue ON true
    LEFT JOIN LATERAL (
        SELECT at AS last_at, try AS last_try, status AS last_status, ms AS last_ms, error AS last_error,
            outcome AS last_outcome
        FROM attempt WHERE subscription = it.id AND outcome NOT IN ('dropped', 'redrive') ORDER BY at DESC LIMIT 1
    ) last ON true";

/// Inserts a subscription, unless there are `most` already: then none. Callers at once may exceed it by their number.
pub(super) async fn insert(
    client: &impl GenericClient,
    it: &Subscription,
    most: i64,
) -> Result<Option<Subscription>, Error> {
    let insert = format!(
        "INSERT INTO subscription ({DEFINED}) SELECT {PARAMETERS} WHERE (SELECT count(*) FROM subscription) < $23
         RETURNING {COLUMNS}"
    );
    one(&with(client, &insert, it, &most).await?)
}

/// Replaces the definition of the subscription of this name, and takes back its problem.
pub(super) async fn update(
    client: &impl GenericClient,
    name: &str,
    it: &Subscription,
) -> Result<Option<Subscription>, Error> {
    let update = format!(
        "UPDATE subscription SET ({DEFINED}) = ROW({PARAMETERS}), problem = NULL WHERE name = $23 RETURNING {COLUMNS}"
    );
    one(&with(client, &update, it, &name).await?)
}

async fn with(
    client: &impl GenericClient,
    statement: &str,
    it: &Subscription,
    last: &(dyn ToSql + Sync),
) -> Result<Vec<Row>, Error> {
    let retries: Option<Vec<i64>> = it
        .retries
        .as_ref()
        .map(|waits| waits.iter().copied().map(micros).collect());
    let parallel = i32::try_from(it.parallel).unwrap_or(i32::MAX);
    let parameters: [&(dyn ToSql + Sync); 23] = [
        &it.name,
        &it.topic,
        &it.device,
        &it.filter,
        &it.clear,
        &it.fire.name(),
        &it.hold,
        &it.silence,
        &it.tolerance,
        &it.every,
        &it.max_age,
        &it.target_url,
        &it.format.name(),
        &it.body,
        &it.method,
        &json!(it.headers),
        &it.ordering.name(),
        &parallel,
        &it.rate,
        &micros(it.timeout),
        &retries,
        &it.enabled,
        last,
    ];
    client.query(statement, &parameters).await
}

/// The subscription of this name. Its row is locked if `lock`.
pub(super) async fn named(client: &impl GenericClient, name: &str, lock: bool) -> Result<Option<Subscription>, Error> {
    let lock = if lock { "FOR UPDATE" } else { "" };
    let select = format!("SELECT {COLUMNS} FROM subscription WHERE name = $1 {lock}");
    one(&client.query(&select, &[&name]).await?)
}

/// The id of the subscription of this name.
pub(super) async fn id_of(client: &impl GenericClient, name: &str) -> Result<Option<Uuid>, Error> {
    let row = client
        .query_opt("SELECT id FROM subscription WHERE name = $1", &[&name])
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Deletes a subscription. Returns whether it was there. What was queued of it goes with the days.
pub(super) async fn delete(client: &impl GenericClient, name: &str) -> Result<bool, Error> {
    Ok(client
        .execute("DELETE FROM subscription WHERE name = $1", &[&name])
        .await?
        > 0)
}

/// All subscriptions, or the one of this id, in order of name, with how they stand.
pub(super) async fn standing(
    client: &impl GenericClient,
    id: Option<Uuid>,
) -> Result<Vec<(Subscription, Standing)>, Error> {
    let which = if id.is_some() {
        "WHERE it.id = $1"
    } else {
        "WHERE $1::uuid IS NULL"
    };
    let select = format!("SELECT {COLUMNS}, queue.*, last.* FROM subscription it {STANDING} {which} ORDER BY name");
    let rows = client.query(&select, &[&id]).await?;
    rows.iter()
        .map(|row| Ok((Subscription::of(row)?, standing_of(row)?)))
        .collect()
}

fn standing_of(row: &Row) -> Result<Standing, Error> {
    let last = match row.try_get("last_at")? {
        None => None,
        Some(at) => Some(Last {
            at,
            tried: row.try_get("last_try")?,
            status: row.try_get("last_status")?,
            ms: row.try_get("last_ms")?,
            error: row.try_get("last_error")?,
            outcome: row.try_get("last_outcome")?,
        }),
    };
    let pending: Option<i64> = row.try_get("pending")?;
    Ok(Standing {
        pending: pending.unwrap_or_default(),
        last,
    })
}

/// Rotates the secret: the one before signs as well for this span. Returns the subscription as it is now.
pub(super) async fn rotate(
    client: &impl GenericClient,
    name: &str,
    overlap: i64,
) -> Result<Option<Subscription>, Error> {
    let rotate = format!(
        "UPDATE subscription SET generation = generation + 1, previous_until = now() + $2::int8 * interval '1 us'
         WHERE name = $1 RETURNING {COLUMNS}"
    );
    one(&client.query(&rotate, &[&name, &overlap]).await?)
}

/// Pauses a subscription. Returns its id.
pub(super) async fn pause(client: &impl GenericClient, name: &str) -> Result<Option<Uuid>, Error> {
    let pause = "UPDATE subscription SET enabled = false WHERE name = $1 RETURNING id";
    let row = client.query_opt(pause, &[&name]).await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Resumes a subscription, and takes back its problem. Returns its id.
pub(super) async fn resume(client: &impl GenericClient, name: &str) -> Result<Option<Uuid>, Error> {
    let resume = "UPDATE subscription SET enabled = true, problem = NULL WHERE name = $1 RETURNING id";
    let row = client.query_opt(resume, &[&name]).await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Says that every delivery that is queued now has ended: a row of `progress` for each lane. Returns how many had not,
/// at the most.
pub(super) async fn drop_queued(client: &impl GenericClient, id: Uuid) -> Result<i64, Error> {
    let drop = "
        WITH newest AS (
            SELECT lane, max(seq) AS seq FROM delivery WHERE subscription = $1 GROUP BY lane
        ), before AS (
            SELECT newest.lane, newest.seq, coalesce(progress.upto, 0) AS upto FROM newest
            LEFT JOIN progress ON progress.shard = 0 AND progress.subscription = $1 AND progress.lane = newest.lane
        ), noted AS (
            INSERT INTO progress AS old (subscription, lane, number, upto)
            SELECT $1, newest.lane, evaluator.number, newest.seq FROM newest, evaluator WHERE evaluator.shard = 0
            ON CONFLICT (shard, subscription, lane) DO UPDATE
            SET number = greatest(old.number, excluded.number), upto = greatest(old.upto, excluded.upto)
        )
        SELECT coalesce(sum(greatest(seq - upto, 0)), 0)::int8 FROM before";
    client.query_one(drop, &[&id]).await?.try_get(0)
}

fn one(rows: &[Row]) -> Result<Option<Subscription>, Error> {
    rows.first().map(Subscription::of).transpose()
}
