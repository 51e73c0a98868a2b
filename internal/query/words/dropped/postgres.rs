//! Reads from PostgreSQL which days retention has dropped.

use ::postgres::{Database, Error};

/// The dropped days from the first to the last, both included, in order and at most so many. Days are numbers since
/// 1970-01-01.
pub(super) async fn days(database: &Database, (first, last): (i32, i32), most: i64) -> Result<Vec<i32>, Error> {
    let statement = "
        SELECT day - date '1970-01-01' FROM dropped_day
        WHERE day >= date '1970-01-01' + $1::int4 AND day <= date '1970-01-01' + $2::int4
        ORDER BY day LIMIT $3";
    let rows = database.query_planned(statement, &[&first, &last, &most]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
