//! Pages of lists: how long one is, and where it begins.

use std::str::FromStr;
use web::{Problem, wrong};

/// The number of a page's members: the given one, else `usual`. From 1 to `most`.
pub(crate) fn limit(given: Option<usize>, usual: usize, most: usize) -> Result<usize, Problem> {
    let limit = given.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        Ok(limit)
    } else {
        Err(wrong("limit", format!("write a number from 1 to {most}")))
    }
}

/// The last member of the page before, from the cursor that its answer gave.
pub(crate) fn cursor<T: FromStr>(given: Option<&str>) -> Result<Option<T>, Problem> {
    let read = given.map(|text| text.parse().map_err(|_| unknown_cursor()));
    read.transpose()
}

fn unknown_cursor() -> Problem {
    wrong(
        "cursor",
        "not one of this list; write the nextCursor of the page before",
    )
}

/// Cuts what was found to a page of `limit`, and returns whether there is more.
pub(crate) fn cut<T>(found: &mut Vec<T>, limit: usize) -> bool {
    let has_more = found.len() > limit;
    found.truncate(limit);
    has_more
}
