//! The days that have readings, or had.

use super::patiently;
use crate::dump::Day;
use anyhow::Context;

/// Days after `last` up to and including `until`, each with its version, oldest first, so many at
/// the most.
pub(in crate::dump) async fn after(
    pool: &::postgres::Pool,
    last: Option<Day>,
    until: Day,
    most: usize,
) -> anyhow::Result<Vec<(Day, i64)>> {
    let client = pool.get().await.context("connect to the database")?;
    let last = last.map_or_else(|| "-infinity".to_owned(), |last| last.to_string());
    let statement = format!(
        "SELECT day::text, version FROM day WHERE day > '{last}' AND day <= '{until}' ORDER BY day LIMIT {most}"
    );
    let rows = patiently(client.query(&statement, &[]))
        .await
        .context("list the days")?;
    rows.iter()
        .map(|row| Ok((row.try_get::<_, &str>(0)?.parse()?, row.try_get(1)?)))
        .collect()
}
