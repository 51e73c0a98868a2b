//! Waits for the schema that a program needs.

use crate::connect::{reach, retry};
use crate::{Error, Pool};

/// Waits, without a deadline, until another program has migrated the schema to `version`.
///
/// # Errors
/// [`Error::SharedSessions`], as [`reach`].
pub async fn wait_for_version(pool: &Pool, version: i32) -> Result<(), Error> {
    reach(pool).await?;
    let reached = || async {
        let client = pool.get().await?;
        let row = client
            .query_one(
                "SELECT coalesce(max(version), 0)::int4 FROM refinery_schema_history",
                &[],
            )
            .await?;
        let found: i32 = row.get(0);
        if found >= version {
            Ok(())
        } else {
            Err(Error::Unavailable(
                format!("schema version is {found}, {version} is needed").into(),
            ))
        }
    };
    let log = |cause, _| {
        tracing::warn!(
            cause,
            version,
            "waiting for the schema; migrate it as the tables' owner"
        );
    };
    retry(reached, log).await
}
