//! A page: the first readings of several series after a key, merged by time.
//!
//! The span is searched in windows, from the end where the page begins. The first one is narrow. Each says how
//! dense the readings are, so the next holds about what is missing; after an empty one, it is wider. So a page reads
//! little more than its readings, and never more than its length of each series.

use super::postgres::{self, Earlier};
use super::{Key, Order, Row, Series, Span};
use crate::words::Database;
use ::postgres::Error;
use reading::time::SECOND;

/// Growth of the window at the most.
const WIDER: i64 = 8;

/// The first window holds one in so many of a page's readings, at a reading a second of each series.
const PART: i64 = 16;

/// What a page is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// In order of device and sensor.
    pub(super) series: &'a [Series],
    pub(super) span: Span,
    pub(super) order: Order,
    /// The last reading of the page before.
    pub(super) after: Option<&'a Key>,
}

/// The first readings, at most `most`, in order.
pub(super) async fn page(database: &Database, asked: &Asked<'_>, most: usize) -> Result<Vec<Row>, Error> {
    let ids: Vec<i32> = asked.series.iter().map(|series| series.id).collect();
    let earlier = asked.earlier();
    let mut left = asked.left();
    let mut width = asked.width(most);
    let mut page = Vec::new();
    while left.from < left.to && page.len() < most && !ids.is_empty() {
        let window = match asked.order {
            Order::Asc => Span {
                to: left.from.saturating_add(width).min(left.to),
                ..left
            },
            Order::Desc => Span {
                from: left.to.saturating_sub(width).max(left.from),
                ..left
            },
        };
        let missing = most - page.len();
        let found = postgres::merged(database, &ids, window, asked.order, earlier, missing).await?;
        width = next_width(width, found.len(), missing - found.len());
        page.extend(found);
        match asked.order {
            Order::Asc => left.from = window.to,
            Order::Desc => left.to = window.from,
        }
    }
    Ok(page)
}

/// The width of the window after one that held this many readings, while so many are missing. A quarter more than
/// it needs, if the density stays.
fn next_width(width: i64, found: usize, missing: usize) -> i64 {
    let widest = width.saturating_mul(WIDER);
    let count = |readings: usize| i128::try_from(readings).unwrap_or(i128::MAX);
    let needed = (i128::from(width) * 5 / 4)
        .saturating_mul(count(missing))
        .checked_div(count(found));
    let needed = needed.and_then(|needed| i64::try_from(needed).ok()).unwrap_or(widest);
    needed.clamp((width / WIDER).max(1), widest)
}

impl Asked<'_> {
    /// The span without what earlier pages had; they had its first moment in part.
    fn left(&self) -> Span {
        match (self.after, self.order) {
            (None, _) => self.span,
            (Some(key), Order::Asc) => Span {
                from: key.timestamp,
                ..self.span
            },
            (Some(key), Order::Desc) => Span {
                to: key.timestamp + 1,
                ..self.span
            },
        }
    }

    fn earlier(&self) -> Earlier {
        let Some(key) = self.after else {
            return Earlier {
                moment: self.span.from,
                series: match self.order {
                    Order::Asc => 0,
                    Order::Desc => self.series.len(),
                },
            };
        };
        let last = (&key.device, &key.sensor);
        let series = self.series.partition_point(|series| {
            let name = (&series.device, &series.sensor);
            match self.order {
                Order::Asc => name <= last,
                Order::Desc => name < last,
            }
        });
        Earlier {
            moment: key.timestamp,
            series,
        }
    }

    /// The width of the first window.
    fn width(&self, most: usize) -> i64 {
        let moments = most.div_ceil(self.series.len().max(1));
        i64::try_from(moments).unwrap_or(i64::MAX).saturating_mul(SECOND / PART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_the_density() {
        for (width, found, missing, expected) in [
            // As dense as needed.
            (1000, 100, 100, 1250),
            (1000, 100, 400, 5000),
            // By the growth at the most, and after an empty one.
            (1000, 1, 99, 8000),
            (1000, 0, 100, 8000),
            (1000, 99, 1, 125),
            (1, 100, 1, 1),
            (i64::MAX, 1, 1, i64::MAX),
            (i64::MAX, 0, 1, i64::MAX),
        ] {
            assert_eq!(next_width(width, found, missing), expected, "{width} {found} {missing}");
        }
    }
}
