//! Finds uploads, sums up their rows, and reads their invalid lines.

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

/// The uploads before this one that have a row, at most `most` of them, the latest first. None began before `since`.
///
/// An upload may have many rows, so each is one look at the index, which passes over the rows of the one before.
pub(super) async fn uploads(database: &Database, before: Uuid, since: Uuid, most: usize) -> Result<Vec<Uuid>, Error> {
    let statement = "
        WITH RECURSIVE listed (upload) AS (
            (SELECT upload FROM receipt WHERE upload < $1 AND upload >= $2 ORDER BY upload DESC LIMIT 1)
            UNION ALL
            SELECT (
                SELECT receipt.upload FROM receipt
                WHERE receipt.upload < listed.upload AND receipt.upload >= $2
                ORDER BY receipt.upload DESC LIMIT 1
            )
            FROM listed WHERE listed.upload IS NOT NULL
        )
        SELECT upload FROM listed WHERE upload IS NOT NULL LIMIT $3";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = database
        .query(
            statement,
            &[(&before, Type::UUID), (&since, Type::UUID), (&most, Type::INT8)],
        )
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The first invalid lines of each of these uploads, in their order. One statement for any number of uploads.
pub(super) async fn invalid(database: &Database, uploads: &[Uuid]) -> Result<HashMap<Uuid, Vec<Invalid>>, Error> {
    let statement = "SELECT upload, line, value, reason, reading FROM receipt_line
        WHERE upload = ANY($1) ORDER BY upload, ordinal";
    let rows = database.query(statement, &[(&uploads, Type::UUID_ARRAY)]).await?;
    let mut found: HashMap<Uuid, Vec<Invalid>> = HashMap::new();
    for row in &rows {
        let line = Invalid {
            line: row.try_get::<_, i64>(1)?.unsigned_abs(),
            value: row.try_get::<_, Option<i64>>(2)?.map(i64::unsigned_abs),
            reason: decoded(row.try_get(3)?),
            reading: decoded(row.try_get(4)?),
        };
        found.entry(row.try_get(0)?).or_default().push(line);
    }
    Ok(found)
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
