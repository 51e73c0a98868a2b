//! Reads a span series by series, a chunk at a time, in constant memory.
//!
//! Each chunk is a statement of its own: between two chunks, no connection is held. A chunk holds many small
//! series, or a part of a large one. The rest of a large one is read in windows that hold about a chunk, so
//! that a statement touches the partitions of few months.

use super::postgres::{Selection, series};
use super::{Filter, Order, Row, Series, Span};
use crate::words::reach::Reach;
use crate::words::{Database, problem};
use web::Problem;

/// Series that are known at once.
const PAGE: usize = 1000;

/// Most readings of a chunk.
const CHUNK: usize = 16_384;

/// The readings of a span, bytewise by device, then sensor, then timestamp.
#[derive(Debug)]
pub(super) struct Reader {
    database: Database,
    filter: Filter,
    span: Span,
    /// Some series, in order.
    page: Vec<Series>,
    /// No series come after them.
    is_last: bool,
    /// Number of those that were begun.
    begun: usize,
    /// The last of these, unless it was read to its end.
    open: Option<Open>,
}

/// A series that has more readings than a chunk.
#[derive(Clone, Copy, Debug)]
struct Open {
    since: i64,
    reach: Reach,
}

impl Reader {
    pub(super) fn new(database: Database, filter: Filter, span: Span) -> Self {
        Self {
            database,
            filter,
            span,
            page: Vec::new(),
            is_last: false,
            begun: 0,
            open: None,
        }
    }

    /// The series of a row of the last chunk.
    pub(super) fn series(&self, row: &Row) -> Option<&Series> {
        self.page.get(row.series)
    }

    /// The next chunk, which is not empty; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, Problem> {
        loop {
            let chunk = if let Some(open) = self.open {
                self.more_of(open).await?
            } else if self.begun < self.page.len() {
                self.others().await?
            } else if self.is_last {
                return Ok(None);
            } else {
                self.turn().await?;
                continue;
            };
            // The server sorts nothing.
            if !chunk.is_sorted_by(|one, next| (one.series, one.timestamp) < (next.series, next.timestamp)) {
                return Err(Problem::internal("the database sent readings out of their order"));
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }

    /// Turns to the next series.
    async fn turn(&mut self) -> Result<(), Problem> {
        let page = series(&self.database, &self.filter, self.page.last(), PAGE).await;
        self.page = page.map_err(problem)?;
        self.is_last = self.page.len() < PAGE;
        self.begun = 0;
        Ok(())
    }

    /// Begins as many series as a chunk holds.
    async fn others(&mut self) -> Result<Vec<Row>, Problem> {
        let chunk = self.read(self.begun, self.page.len(), self.span).await?;
        self.begun = self.page.len();
        if chunk.len() == CHUNK
            && let Some(last) = chunk.last()
        {
            self.begun = last.series + 1;
            self.open = Some(Open {
                since: last.timestamp + 1,
                reach: Reach::default(),
            });
        }
        Ok(chunk)
    }

    /// Goes on with a series.
    async fn more_of(&mut self, mut open: Open) -> Result<Vec<Row>, Problem> {
        let window = Span {
            from: open.since,
            to: open.reach.until(open.since).min(self.span.to),
        };
        let chunk = self.read(self.begun - 1, self.begun, window).await?;
        match (chunk.first(), chunk.last()) {
            (Some(first), Some(last)) if chunk.len() == CHUNK => {
                open.reach = Reach::near((last.timestamp - first.timestamp).saturating_mul(2));
                open.since = last.timestamp + 1;
            }
            _ => {
                open.reach.widen();
                open.since = window.to;
            }
        }
        self.open = Some(open).filter(|open| open.since < self.span.to);
        Ok(chunk)
    }

    /// The first readings within a span of the series from one number up to another.
    async fn read(&self, first: usize, end: usize, span: Span) -> Result<Vec<Row>, Problem> {
        let ids: Vec<i32> = self.page[first..end].iter().map(|series| series.id).collect();
        let selection = Selection {
            series: &ids,
            span,
            order: Order::Asc,
            most: CHUNK,
        };
        let mut rows = selection.in_turn(&self.database).await.map_err(problem)?;
        for row in &mut rows {
            row.series = row.series.saturating_add(first);
        }
        Ok(rows)
    }
}
