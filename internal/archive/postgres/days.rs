//! Days that have or had readings, and their dumps.

use super::with_timeout;
use crate::Day;
use anyhow::Context;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// At most `most` days after `last` up to and including `until`. Each has the ids of the dumps that hold its
/// present version, oldest first.
pub(crate) async fn after(
    pool: &::postgres::Pool,
    last: Option<Day>,
    until: Day,
    most: usize,
) -> anyhow::Result<Vec<(Day, Vec<Uuid>)>> {
    let client = pool.get().await.context("connect to the database")?;
    let last = last.map_or_else(|| "-infinity".to_owned(), |last| last.to_string());
    let statement = format!(
        "SELECT day::text, array(
             SELECT dump FROM dumped_day WHERE dumped_day.day = day.day AND dumped_day.version = day.version
         )
         FROM day WHERE day > '{last}' AND day <= '{until}' ORDER BY day LIMIT {most}"
    );
    let rows = with_timeout(client.query(&statement, &[]))
        .await
        .context("list the days")?;
    rows.iter()
        .map(|row| Ok((row.try_get::<_, &str>(0)?.parse()?, row.try_get(1)?)))
        .collect()
}

/// What a database records of a dump that was written from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DumpRecord {
    /// The version of the day that is in the dump.
    pub(crate) version: i64,
    /// The database had every reading of the dump.
    pub(crate) whole: bool,
}

/// Records a dump in the database.
pub(super) async fn record(client: &Client, day: Day, dump: Uuid, of: DumpRecord) -> Result<(), Error> {
    let _timer = ::postgres::Timer::of("record_dump");
    let statement = format!("INSERT INTO dumped_day (day, dump, version, whole) VALUES ('{day}', $1, $2, $3)");
    client.execute(&statement, &[&dump, &of.version, &of.whole]).await?;
    Ok(())
}
