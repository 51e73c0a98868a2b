//! A page: the first readings of several series after a key, merged by time.
//!
//! The span is searched in windows, from the end where the page begins. At one reading a second of each series, the
//! first window holds a page. While the page is not full, the next window is wider. So a page reads a few times
//! its readings, and never more than its length of each series.

use super::postgres::{self, Told};
use super::{Key, Order, Row, Series, Span};
use crate::words::Database;
use crate::words::reach::Reach;
use ::postgres::Error;
use reading::time::SECOND;

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
    let told = asked.told();
    let mut left = asked.left();
    let mut reach = asked.reach(most);
    let mut page = Vec::new();
    while left.from < left.to && page.len() < most && !ids.is_empty() {
        let window = match asked.order {
            Order::Asc => Span {
                to: reach.until(left.from).min(left.to),
                ..left
            },
            Order::Desc => Span {
                from: reach.since(left.to).max(left.from),
                ..left
            },
        };
        let most = most - page.len();
        page.extend(postgres::merged(database, &ids, window, asked.order, told, most).await?);
        match asked.order {
            Order::Asc => left.from = window.to,
            Order::Desc => left.to = window.from,
        }
        reach.widen();
    }
    Ok(page)
}

impl Asked<'_> {
    /// The span without what earlier pages have told; its first moment is told in part.
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

    fn told(&self) -> Told {
        let Some(key) = self.after else {
            return Told {
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
        Told {
            moment: key.timestamp,
            series,
        }
    }

    /// The width of the first window.
    fn reach(&self, most: usize) -> Reach {
        let moments = most.div_ceil(self.series.len().max(1));
        Reach::near(i64::try_from(moments).unwrap_or(i64::MAX).saturating_mul(SECOND))
    }
}
