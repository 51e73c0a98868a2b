//! Places of rows in what was asked for.

/// The place that a statement tells, from 0.
pub(crate) fn index(number: i64) -> usize {
    usize::try_from(number).expect("ordinality counts from one, and the query subtracts one")
}
