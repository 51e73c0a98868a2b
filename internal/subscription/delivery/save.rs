//! Stores how far the sender has come.

use super::database::Database;
use ::postgres::{Error, Timer};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// What is to be stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Save {
    /// Subscription, lane and seq: every delivery up to it has ended.
    pub(super) progress: Vec<(Uuid, i16, i64)>,
    /// Subscriptions, and since when nothing has succeeded (microseconds since 1970).
    pub(super) failing: Vec<(Uuid, Option<i64>)>,
    /// Lanes that have more than was read.
    pub(super) unread: Vec<(Uuid, i16)>,
}

impl Save {
    pub(super) fn is_empty(&self) -> bool {
        self.progress.is_empty() && self.failing.is_empty()
    }
}

/// Stores it, unless a later holder of the lease has stored more. Returns the greatest seq of the unread lanes.
pub(super) async fn save(database: &Database, number: i64, save: &Save) -> Result<Vec<(Uuid, i16, i64)>, Error> {
    let _timer = Timer::of("save_progress");
    if !save.progress.is_empty() {
        let subscriptions: Vec<Uuid> = save.progress.iter().map(|(subscription, ..)| *subscription).collect();
        let lanes: Vec<i16> = save.progress.iter().map(|(_, lane, _)| *lane).collect();
        let uptos: Vec<i64> = save.progress.iter().map(|(.., upto)| *upto).collect();
        let statement = "
            INSERT INTO progress (shard, subscription, lane, number, upto)
            SELECT 0, moved.subscription, moved.lane, $4, moved.upto
            FROM unnest($1::uuid[], $2::int2[], $3::int8[]) AS moved (subscription, lane, upto)
            ON CONFLICT (shard, subscription, lane) DO UPDATE SET number = excluded.number, upto = excluded.upto
            WHERE progress.number <= excluded.number AND progress.upto < excluded.upto";
        let parameters = &[
            (&subscriptions as _, Type::UUID_ARRAY),
            (&lanes as _, Type::INT2_ARRAY),
            (&uptos as _, Type::INT8_ARRAY),
            (&number as _, Type::INT8),
        ];
        database.query(statement, parameters).await?;
    }
    if !save.failing.is_empty() {
        let subscriptions: Vec<Uuid> = save.failing.iter().map(|(subscription, _)| *subscription).collect();
        let since = |(_, since): &(Uuid, Option<i64>)| since.map(super::attempts::timestamp);
        let since: Vec<_> = save.failing.iter().map(since).collect();
        let statement = "
            UPDATE subscription SET failing = now.failing
            FROM unnest($1::uuid[], $2::timestamptz[]) AS now (subscription, failing)
            WHERE id = now.subscription AND subscription.failing IS DISTINCT FROM now.failing";
        let parameters = &[
            (&subscriptions as _, Type::UUID_ARRAY),
            (&since as _, Type::TIMESTAMPTZ_ARRAY),
        ];
        database.query(statement, parameters).await?;
    }
    if save.unread.is_empty() {
        return Ok(Vec::new());
    }
    let subscriptions: Vec<Uuid> = save.unread.iter().map(|(subscription, _)| *subscription).collect();
    let lanes: Vec<i16> = save.unread.iter().map(|(_, lane)| *lane).collect();
    let statement = "
        SELECT unread.subscription, unread.lane, coalesce((
            SELECT max(d.seq) FROM delivery AS d WHERE d.subscription = unread.subscription AND d.lane = unread.lane
        ), 0)
        FROM unnest($1::uuid[], $2::int2[]) AS unread (subscription, lane)";
    let parameters = &[(&subscriptions as _, Type::UUID_ARRAY), (&lanes as _, Type::INT2_ARRAY)];
    let rows = database.query(statement, parameters).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect()
}
