//! Sums up the rows of uploads, and reads their invalid lines.

use super::{Invalid, Sums};
use crate::words::Database;
use ::postgres::Error;
use std::collections::HashMap;
use store::text::decoded;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// The sums of these uploads' rows; none for one without a row. One statement for any number of uploads.
pub(super) async fn sums(database: &Database, uploads: &[Uuid]) -> Result<HashMap<Uuid, Sums>, Error> {
    let statement = "SELECT upload, coalesce(sum(persisted), 0)::int8, coalesce(sum(duplicates), 0)::int8,
                coalesce(sum(conflicts), 0)::int8, coalesce(sum(failed), 0)::int8, max(accepted), max(rejected),
                (SELECT message FROM receipt last WHERE last.upload = ANY($1) AND last.upload = receipt.upload
                 ORDER BY message DESC LIMIT 1)
         FROM receipt WHERE upload = ANY($1) GROUP BY upload";
    let rows = database.query(statement, &[(&uploads, Type::UUID_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, of(row)?))).collect()
}

/// The first invalid lines of an upload, in their order.
pub(super) async fn invalid(database: &Database, upload: Uuid) -> Result<Vec<Invalid>, Error> {
    let statement = "SELECT line, value, reason, reading FROM receipt_line WHERE upload = $1 ORDER BY ordinal";
    let rows = database.query(statement, &[(&upload, Type::UUID)]).await?;
    let line = |row: &Row| {
        Ok(Invalid {
            line: row.try_get::<_, i64>(0)?.unsigned_abs(),
            value: row.try_get::<_, Option<i64>>(1)?.map(i64::unsigned_abs),
            reason: decoded(row.try_get(2)?),
            reading: decoded(row.try_get(3)?),
        })
    };
    rows.iter().map(line).collect()
}

fn of(row: &Row) -> Result<Sums, Error> {
    let number = |at| row.try_get::<_, i64>(at).map(i64::unsigned_abs);
    let total = |at| {
        row.try_get::<_, Option<i64>>(at)
            .map(|total| total.map(i64::unsigned_abs))
    };
    let last: Option<Uuid> = row.try_get(7)?;
    Ok(Sums {
        persisted: number(1)?,
        duplicates: number(2)?,
        conflicts: number(3)?,
        failed: number(4)?,
        totals: total(5)?.zip(total(6)?),
        last: last.and_then(reading::uploaded),
    })
}
