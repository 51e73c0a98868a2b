//! Reads the status from PostgreSQL.

use super::Status;
use crate::words::{Database, Time};
use ::postgres::Error;
use tokio_postgres::types::Type;

pub(super) async fn status(database: &Database, device: Option<&str>) -> Result<Status, Error> {
    let statement = "
        SELECT max(latest_timestamp) FILTER (WHERE $1::text IS NULL OR device = $1),
            count(DISTINCT device), count(*),
            (SELECT coalesce(max(version), 0)::int FROM refinery_schema_history)
        FROM series
        WHERE latest_timestamp IS NOT NULL";
    let rows = database.query(statement, &[(&device, Type::TEXT)]).await?;
    // An aggregate without groups has one row.
    let row = rows
        .first()
        .ok_or_else(|| Error::Unavailable("no answer to the status".into()))?;
    let last: Option<jiff::Timestamp> = row.try_get(0)?;
    Ok(Status {
        last_ingest_timestamp: last.map(Time),
        devices: row.try_get(1)?,
        series: row.try_get(2)?,
        version: env!("CARGO_PKG_VERSION"),
        schema_version: row.try_get(3)?,
    })
}
