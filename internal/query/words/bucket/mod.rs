//! Readings of a span of time, in buckets.
//!
//! The averages of a day and trends share this: where buckets begin, their functions, the filling of empty ones, and
//! the statements.

mod buckets;
mod fill;
mod function;
mod postgres;
mod width;

pub(crate) use self::buckets::Buckets;
pub(crate) use self::fill::Fill;
pub(crate) use self::function::{Column, Function};
pub(crate) use self::postgres::{Named, named, readings, series};
pub(crate) use self::width::{Calendar, Width};

use self::fill::filled;
use super::Database;
use ::postgres::Error;

/// The values of functions in each bucket.
#[derive(Debug)]
pub(crate) struct Values {
    /// Whether each bucket holds a reading.
    pub(crate) held: Vec<bool>,
    /// A column for each function, in their order.
    pub(crate) columns: Vec<Column>,
}

/// Computes these functions of the readings of these series in each bucket; empty buckets are filled. The series are
/// those of [`series`], in order of device.
///
/// Averages, sums and deviations are right within 1e-9, relative to the largest of their readings, in any order of
/// arrival. Memory is bounded by the number of buckets.
///
/// # Errors
/// As [`Database::query`].
pub(crate) async fn values(
    database: &Database,
    series: &[i32],
    buckets: &Buckets,
    functions: &[Function],
    fill: Fill,
) -> Result<Values, Error> {
    let mut asked = functions.to_vec();
    // A function that each bucket with a reading has, to know the empty ones.
    let known = asked.iter().position(|function| function.is_always_there());
    let known = known.unwrap_or(asked.len());
    if known == asked.len() {
        asked.push(Function::Count);
    }
    let mut columns = postgres::aggregates(database, series, buckets, &asked).await?;
    let held = columns.get(known).into_iter().flatten();
    let held: Vec<bool> = held.map(Option::is_some).collect();
    columns.truncate(functions.len());
    let begins_empty = held.first() == Some(&false);
    let before = if fill == Fill::Previous && begins_empty && functions.iter().any(|function| function.is_value()) {
        postgres::last_before(database, series, buckets.from).await?
    } else {
        None
    };
    let columns = functions.iter().zip(columns);
    let columns = columns
        .map(|(function, column)| filled(*function, &column, &held, fill, before))
        .collect();
    Ok(Values { held, columns })
}
