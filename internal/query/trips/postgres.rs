//! Reads the versions of days from PostgreSQL.

use crate::words::Database;
use ::postgres::Error;
use tokio_postgres::Row;

/// A day that has or had readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Days since 1970-01-01.
    pub(super) day: i32,
    version: i64,
    /// The version that retention dropped.
    dropped: Option<i64>,
}

/// The versions of these days, in order, both ends included.
pub(super) async fn versions(database: &Database, (first, last): (i32, i32)) -> Result<Vec<Version>, Error> {
    let statement = "
        SELECT day - date '1970-01-01', day.version, dropped_day.version
        FROM day LEFT JOIN dropped_day USING (day)
        WHERE day >= date '1970-01-01' + $1::int4 AND day <= date '1970-01-01' + $2::int4
        ORDER BY day";
    let rows = database.query_planned(statement, &[&first, &last]).await?;
    let version = |row: &Row| {
        Ok(Version {
            day: row.try_get(0)?,
            version: row.try_get(1)?,
            dropped: row.try_get(2)?,
        })
    };
    rows.iter().map(version).collect()
}
