//! A page: the first readings of several series after a key, merged by time.
//!
//! The span is searched in windows, from the end where the page begins. Where the page before lasted a while, the
//! first one lasts a little longer, so it mostly holds the whole page. Else it is narrow. Each says how dense the
//! readings are, so the next holds about what is missing; after an empty one, it is wider.
//!
//! A window's series are read one by one and merged here, which costs PostgreSQL the least. So that a page's memory is
//! bounded, each gives a share of [`ROWS`]. If one has more, the window ends there, and PostgreSQL merges the next
//! ones: of uneven series, it returns no more than is missing.

use super::postgres::{Earlier, Selection};
use super::{Key, Order, Row, Series, Span};
use crate::words::Database;
use ::postgres::Error;
use reading::time::SECOND;
use std::cmp::Reverse;

/// Growth of the window at the most.
const WIDER: i64 = 8;

/// The first window holds one in so many of a page's readings, at a reading a second of each series.
const PART: i64 = 16;

/// Rows of a window that is merged here, at the most.
const ROWS: usize = 65_536;

/// What a page is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// In order of device and sensor.
    pub(super) series: &'a [Series],
    pub(super) span: Span,
    pub(super) order: Order,
    /// The last reading of the page before.
    pub(super) after: Option<&'a Key>,
    /// How long that page lasted, as [`lasted`] says; zero where it is not known.
    pub(super) lasted: i64,
}

/// The first readings, at most `most`, in order.
pub(super) async fn page(database: &Database, asked: &Asked<'_>, most: usize) -> Result<Vec<Row>, Error> {
    let ids: Vec<i32> = asked.series.iter().map(|series| series.id).collect();
    let earlier = asked.earlier();
    let mut left = asked.left();
    let mut width = asked.width(most);
    let mut page = Vec::new();
    let mut is_even = true;
    while left.from < left.to && page.len() < most && !ids.is_empty() {
        let mut window = match asked.order {
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
        let selection = Selection {
            series: &ids,
            span: window,
            order: asked.order,
            most: missing,
        };
        let found = if is_even {
            // One more, which an earlier page may have had.
            let of_each = (missing + 1).min(ROWS / ids.len());
            let each = Selection {
                most: of_each,
                ..selection
            };
            let mut found = each.of_each(database).await?;
            if let Some(end) = end(&found, asked.order, of_each) {
                is_even = false;
                match asked.order {
                    Order::Asc => window.to = end + 1,
                    Order::Desc => window.from = end,
                }
            }
            merge(&mut found, window, asked.order, earlier);
            found.truncate(missing);
            found
        } else {
            selection.merged(database, earlier).await?
        };
        width = next_width(window.to - window.from, found.len(), missing - found.len());
        page.extend(found);
        match asked.order {
            Order::Asc => left.from = window.to,
            Order::Desc => left.to = window.from,
        }
    }
    Ok(page)
}

/// About how long a page lasts that is as dense as this one, in microseconds: twice its shorter half, so that a gap
/// does not count.
pub(super) fn lasted(page: &[Row]) -> i64 {
    let half = page.get(page.len() / 2);
    let (Some(first), Some(half), Some(last)) = (page.first(), half, page.last()) else {
        return 0;
    };
    let between = |one: &Row, other: &Row| (other.timestamp - one.timestamp).abs();
    between(first, half).min(between(half, last)).saturating_mul(2)
}

/// The moment up to which all readings of a window were found: it is that of a reading. None where that is all of the
/// window, since no series gave as many as it might.
///
/// The rows are series by series, each in this order.
fn end(rows: &[Row], order: Order, of_each: usize) -> Option<i64> {
    let cut = rows
        .chunk_by(|one, next| one.series == next.series)
        .filter(|of_series| of_series.len() >= of_each)
        .filter_map(|of_series| Some(of_series.last()?.timestamp));
    match order {
        Order::Asc => cut.min(),
        Order::Desc => cut.max(),
    }
}

/// Sorts the rows of a window, without those outside of it and those of `earlier`.
fn merge(rows: &mut Vec<Row>, window: Span, order: Order, earlier: Earlier) {
    rows.retain(|row| {
        let had = match order {
            Order::Asc => row.series < earlier.series,
            Order::Desc => row.series >= earlier.series,
        };
        (window.from..window.to).contains(&row.timestamp) && !(had && row.timestamp == earlier.moment)
    });
    // They are some sorted runs, which this kind of sorting makes use of.
    let key = |row: &Row| (row.timestamp, row.series);
    match order {
        Order::Asc => rows.sort_by_key(key),
        Order::Desc => rows.sort_by_key(|row| Reverse(key(row))),
    }
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
        let moments = i64::try_from(moments).unwrap_or(i64::MAX).max(1);
        if self.lasted > 0 {
            // A little more, since the density varies, and three moments, since both ends fall between moments.
            let more = (self.lasted / 32).saturating_add((self.lasted / moments).saturating_mul(3));
            return self.lasted.saturating_add(more);
        }
        moments.saturating_mul(SECOND / PART)
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

    /// Rows of these series and timestamps.
    fn rows(of: &[(usize, i64)]) -> Vec<Row> {
        let rows = of.iter().map(|&(series, timestamp)| Row {
            series,
            timestamp,
            value: 0.0,
        });
        rows.collect()
    }

    #[test]
    fn a_window_ends_where_a_series_may_have_more() {
        let asc = rows(&[(0, 1), (0, 5), (2, 2), (2, 4), (3, 9)]);
        let desc = rows(&[(0, 5), (0, 1), (2, 4), (2, 2), (3, 9)]);
        for (of_each, in_asc, in_desc) in [(1, Some(4), Some(9)), (2, Some(4), Some(2)), (3, None, None)] {
            assert_eq!(end(&asc, Order::Asc, of_each), in_asc, "{of_each}");
            assert_eq!(end(&desc, Order::Desc, of_each), in_desc, "{of_each}");
        }
        assert_eq!(end(&[], Order::Asc, 1), None);
    }

    #[test]
    fn series_are_merged_after_the_page_before() {
        let all = [(0, 10), (0, 11), (1, 10), (1, 12), (2, 10), (2, 11), (2, 13)];
        let window = Span { from: 10, to: 13 };
        for (order, moment, series, expected) in [
            (
                Order::Asc,
                10,
                0,
                &[(0, 10), (1, 10), (2, 10), (0, 11), (2, 11), (1, 12)][..],
            ),
            (Order::Asc, 10, 2, &[(2, 10), (0, 11), (2, 11), (1, 12)]),
            (Order::Asc, 10, 3, &[(0, 11), (2, 11), (1, 12)]),
            (
                Order::Desc,
                11,
                3,
                &[(1, 12), (2, 11), (0, 11), (2, 10), (1, 10), (0, 10)],
            ),
            (Order::Desc, 11, 1, &[(1, 12), (0, 11), (2, 10), (1, 10), (0, 10)]),
            (Order::Desc, 11, 0, &[(1, 12), (2, 10), (1, 10), (0, 10)]),
        ] {
            let mut merged = rows(&all);
            merge(&mut merged, window, order, Earlier { moment, series });
            assert_eq!(merged, rows(expected), "{order:?} {moment} {series}");
        }
    }

    #[test]
    fn a_gap_does_not_count() {
        for (moments, expected) in [
            (&[7_i64][..], 0),
            (&[], 0),
            (&[7, 9], 0),
            (&[10, 20, 30, 40, 50], 40),
            (&[50, 40, 30, 20, 10], 40),
            (&[10, 20, 30, 4000, 4010], 40),
            (&[10, 4000, 4010, 4020, 4030], 40),
        ] {
            let page: Vec<(usize, i64)> = moments.iter().map(|moment| (0, *moment)).collect();
            assert_eq!(lasted(&rows(&page)), expected, "{moments:?}");
        }
    }
}
