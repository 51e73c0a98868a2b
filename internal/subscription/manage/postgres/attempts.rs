//! SQL of attempts, dead deliveries, redrives and replays.

use crate::manage::attempt::Attempt;
use crate::manage::replay::Replay;
use jiff::Timestamp;
use tokio_postgres::{Error, GenericClient, Row};
use uuid::Uuid;

/// What [`Attempt`] is read from.
const SHOWN: &str = "delivery.id, delivery.type, delivery.key, delivery.moment, tried.try, tried.at, tried.ms,
    tried.status, tried.error, tried.body, tried.outcome, tried.due";

const DELIVERY: &str = "delivery.subscription = tried.subscription AND delivery.lane = tried.lane
    AND delivery.seq = tried.seq";

/// Attempts that no later row follows.
macro_rules! last {
    () => {
        "tried.subscription = $1 AND NOT EXISTS (
        SELECT FROM attempt later WHERE later.subscription = tried.subscription AND later.lane = tried.lane
        AND later.seq = tried.seq AND (later.number, later.at) > (tried.number, tried.at))"
    };
}

/// Attempts that ended a delivery without success.
const DEAD: &str = concat!("tried.outcome IN ('dead', 'gone') AND ", last!());

/// Those, and attempts that another one is to follow later than `$3`.
const DEAD_OR_WAITING: &str = concat!(
    "(tried.outcome IN ('dead', 'gone') OR (tried.outcome = 'retry' AND tried.due > $3)) AND ",
    last!()
);

/// The last attempts of a subscription, newest first.
pub(in crate::manage) async fn last(
    client: &impl GenericClient,
    subscription: Uuid,
    limit: i64,
) -> Result<Vec<Attempt>, Error> {
    let select = format!(
        "SELECT {SHOWN} FROM (SELECT * FROM attempt WHERE subscription = $1 ORDER BY at DESC LIMIT $2) tried
         LEFT JOIN delivery ON {DELIVERY} ORDER BY tried.at DESC, tried.seq DESC, tried.try DESC"
    );
    let rows = client.query(&select, &[&subscription, &limit]).await?;
    rows.iter().map(attempt).collect()
}

/// The last attempts of dead deliveries, newest first.
pub(in crate::manage) async fn dead(
    client: &impl GenericClient,
    subscription: Uuid,
    limit: i64,
) -> Result<Vec<Attempt>, Error> {
    let select = format!(
        "SELECT {SHOWN} FROM attempt tried JOIN delivery ON {DELIVERY} WHERE {DEAD}
         ORDER BY tried.at DESC, tried.seq DESC LIMIT $2"
    );
    let rows = client.query(&select, &[&subscription, &limit]).await?;
    rows.iter().map(attempt).collect()
}

/// Notes that dead deliveries, and those that wait for their next try, are to be tried at once: those of these ids, or
/// all, at most `limit` of them, the oldest first. `at` is now; a try of a clock that is ahead is followed all the same.
/// Returns their ids.
pub(in crate::manage) async fn redrive(
    client: &impl GenericClient,
    subscription: Uuid,
    ids: Option<&[Uuid]>,
    at: Timestamp,
    limit: i64,
) -> Result<Vec<Uuid>, Error> {
    let redrive = format!(
        "WITH chosen AS (
            SELECT tried.lane, tried.seq, tried.try, tried.at, delivery.id FROM attempt tried JOIN delivery ON {DELIVERY}
            WHERE {DEAD_OR_WAITING} AND ($2::uuid[] IS NULL OR delivery.id = ANY($2))
            ORDER BY tried.at, tried.seq LIMIT $4
        ), noted AS (
            INSERT INTO attempt (subscription, lane, seq, number, try, at, ms, outcome, due)
            SELECT $1, chosen.lane, chosen.seq, evaluator.number, chosen.try,
                greatest($3, chosen.at + interval '1 us'), 0, 'redrive', $3
            FROM chosen, evaluator WHERE evaluator.shard = 0
        )
        SELECT id FROM chosen"
    );
    let rows = client.query(&redrive, &[&subscription, &ids, &at, &limit]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Asks for a replay.
pub(in crate::manage) async fn replay(
    client: &impl GenericClient,
    subscription: Uuid,
    since: Timestamp,
    until: Timestamp,
    mode: &str,
) -> Result<Replay, Error> {
    let insert = "INSERT INTO replay (subscription, since, until, mode) VALUES ($1, $2, $3, $4)
        RETURNING id, since, until, mode, state, queued, at";
    replay_of(
        &client
            .query_one(insert, &[&subscription, &since, &until, &mode])
            .await?,
    )
}

/// The replays of a subscription, newest first.
pub(in crate::manage) async fn replays(
    client: &impl GenericClient,
    subscription: Uuid,
    limit: i64,
) -> Result<Vec<Replay>, Error> {
    let select = "SELECT id, since, until, mode, state, queued, at FROM replay WHERE subscription = $1
        ORDER BY at DESC, id LIMIT $2";
    let rows = client.query(select, &[&subscription, &limit]).await?;
    rows.iter().map(replay_of).collect()
}

fn attempt(row: &Row) -> Result<Attempt, Error> {
    Ok(Attempt {
        id: row.try_get("id")?,
        kind: row.try_get("type")?,
        key: row.try_get("key")?,
        moment: row.try_get("moment")?,
        tried: row.try_get("try")?,
        at: row.try_get("at")?,
        status: row.try_get("status")?,
        ms: row.try_get("ms")?,
        error: row.try_get("error")?,
        body: row.try_get("body")?,
        outcome: row.try_get("outcome")?,
        due: row.try_get("due")?,
    })
}

fn replay_of(row: &Row) -> Result<Replay, Error> {
    Ok(Replay {
        id: row.try_get("id")?,
        from: row.try_get("since")?,
        to: row.try_get("until")?,
        mode: row.try_get("mode")?,
        state: row.try_get("state")?,
        queued: row.try_get("queued")?,
        at: row.try_get("at")?,
    })
}
