//! Readings of a span of time, in buckets of equal width.
//!
//! The averages of a day and trends share this: the alignment of buckets, their functions, the filling of
//! empty ones, and the statements.

mod buckets;
mod fill;
mod function;
mod postgres;

pub(crate) use self::buckets::Buckets;
pub(crate) use self::fill::Fill;
pub(crate) use self::function::{Column, Function};

use self::fill::filled;
use super::Database;
use ::postgres::Error;

/// Computes these functions of a sensor's readings in each bucket, of one device or of all. Returns a column
/// for each function, in their order, gaps filled.
///
/// Averages are right within 1e-9, relative to the largest of their readings, in any order of arrival. Memory
/// is bounded by the number of buckets.
///
/// # Errors
/// As [`super::query`].
pub(crate) async fn columns(
    database: &Database,
    sensor: &str,
    device: Option<&str>,
    buckets: Buckets,
    functions: &[Function],
    fill: Fill,
) -> Result<Vec<Column>, Error> {
    let series = postgres::series(database, sensor, device).await?;
    let columns = postgres::aggregates(database, &series, buckets, functions).await?;
    let begins_empty = columns.iter().any(|column| matches!(column.first(), Some(None)));
    let before = if fill == Fill::Previous && begins_empty && functions.iter().any(|function| function.is_value()) {
        postgres::last_before(database, &series, buckets.from).await?
    } else {
        None
    };
    let columns = functions.iter().zip(columns);
    Ok(columns
        .map(|(function, column)| filled(*function, &column, fill, before))
        .collect())
}
