//! A look at the database: whether there is anything to do.

use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// What a look at the database shows.
pub(super) struct Look {
    /// `interest.edits`.
    pub(super) edits: i64,
    /// The least number of a transaction that has not ended.
    pub(super) oldest: u64,
    /// There is something to take.
    pub(super) is_new: bool,
}

/// Looks at the database; none where this owner does not hold the lease with this number.
pub(super) async fn look(client: &Client, owner: Uuid, number: i64) -> Result<Option<Look>, Error> {
    let select = "WITH evaluator AS (SELECT seen, rest FROM evaluator WHERE shard = 0 AND owner = $1 AND number = $2)
        SELECT (SELECT edits FROM interest), pg_snapshot_xmin(pg_current_snapshot())::text,
            seen IS NULL OR rest <> '[]'
            OR EXISTS (SELECT FROM change
                WHERE xid >= pg_snapshot_xmax(seen) OR xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen))))
            OR EXISTS (SELECT FROM published
                WHERE xid >= pg_snapshot_xmax(seen) OR xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen))))
        FROM evaluator";
    let Some(row) = client.query_opt(select, &[&owner, &number]).await? else {
        return Ok(None);
    };
    let oldest: String = row.try_get(1)?;
    Ok(Some(Look {
        edits: row.try_get(0)?,
        oldest: oldest.parse().unwrap_or_default(),
        is_new: row.try_get(2)?,
    }))
}
