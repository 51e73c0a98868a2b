//! Partitions of the tables of events, made on demand.

use reading::time;
use tokio_postgres::{Client, Error};

/// Makes the partition of `parent` for the UTC month of this instant, unless it is there.
pub(crate) async fn of_month(client: &Client, parent: &str, at: i64) -> Result<(), Error> {
    let (year, month) = time::month_of(at);
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let name = format!("{parent}_{year:04}_{month:02}");
    let first = |(year, month)| start(time::days_from_civil(year, month, 1));
    store::make_partition(client, parent, &name, &first((year, month)), &first(next)).await?;
    Ok(())
}

/// The start of a day (since 1970) as SQL text.
fn start(day: i64) -> String {
    let (year, month, day) = time::civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02} 00:00:00+00")
}
