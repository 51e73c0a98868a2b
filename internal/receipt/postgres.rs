//! Adds up the rows of an upload.

use super::Sums;
use crate::api::query;
use crate::reading;
use ::postgres::{Error, Pool};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// The sums of an upload's rows; none where it has no row.
pub(super) async fn sums(pool: &Pool, upload: Uuid) -> Result<Option<Sums>, Error> {
    let statement = "SELECT count(*), coalesce(sum(persisted), 0)::int8, coalesce(sum(duplicates), 0)::int8,
                coalesce(sum(conflicts), 0)::int8, coalesce(sum(failed), 0)::int8, max(accepted), max(rejected),
                (SELECT message FROM receipt WHERE upload = $1 ORDER BY message DESC LIMIT 1)
         FROM receipt WHERE upload = $1";
    let rows = query(pool, statement, &[(&upload, Type::UUID)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    if row.try_get::<_, i64>(0)? == 0 {
        return Ok(None);
    }
    let number = |at| row.try_get::<_, i64>(at).map(i64::unsigned_abs);
    let total = |at| {
        row.try_get::<_, Option<i64>>(at)
            .map(|total| total.map(i64::unsigned_abs))
    };
    let last: Option<Uuid> = row.try_get(7)?;
    Ok(Some(Sums {
        persisted: number(1)?,
        duplicates: number(2)?,
        conflicts: number(3)?,
        failed: number(4)?,
        totals: total(5)?.zip(total(6)?),
        last: last.and_then(reading::uploaded),
    }))
}
