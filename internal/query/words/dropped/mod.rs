//! Days whose readings retention has dropped. An answer names those that its span touches, so that they do not look
//! empty.
//!
//! A dropped day whose readings were restored is named as well: its dump has all of them.

mod postgres;

use ::postgres::{Database, Error};
use archive::Day;
use reading::time::DAY;
use serde::Serialize;
use std::ops::Range;
use utoipa::ToSchema;

/// Most days of an answer: a hundred years. Bounds its memory.
const MOST: i64 = 36_600;

/// A UTC day whose readings retention has dropped: they are in its dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DroppedDay {
    #[schema(value_type = String, format = Date, example = "2017-06-03")]
    pub(crate) date: Day,
    /// Where this API gives the dump out.
    #[schema(example = "/dumps/2017-06-03.json.gz")]
    pub(crate) url: String,
}

impl DroppedDay {
    fn of(date: Day) -> Self {
        Self {
            // The dump in force: a later revision has what came after the drop, too.
            url: format!("/dumps/{date}.json.gz"),
            date,
        }
    }
}

/// The dropped days that a span touches, in order. Its ends are microseconds since 1970-01-01 UTC.
pub(crate) async fn dropped(database: &Database, span: Range<i64>) -> Result<Vec<DroppedDay>, Error> {
    if span.is_empty() {
        return Ok(Vec::new());
    }
    // The calendar of requests ends long before these numbers do.
    let day = |moment: i64| i32::try_from(moment.div_euclid(DAY)).unwrap_or_default();
    let days = postgres::days(database, (day(span.start), day(span.end - 1)), MOST).await?;
    let days = days.into_iter().filter_map(|day| Day::at(day.into()));
    Ok(days.map(DroppedDay::of).collect())
}
