//! Reads the journal. Each program does so over its own connections.

use crate::filter::Known;
use crate::question::Question;
use crate::trend::counts;
use crate::{Buckets, Entry, Fill, Filter, Id, Page, page};
use ::postgres::{Database, Error};
use tokio_postgres::{Error as Failed, Row};

/// Reads the journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader(Database);

/// What is stored of an id.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// There was never such an entry.
    Nothing,
    /// Its author has deleted it.
    Deleted,
    /// It is there.
    Entry(Box<Entry>),
}

/// A hashtag that entries have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// By which it is compared.
    pub name: String,
    /// As it was last written.
    pub spelling: String,
    /// How many entries have it.
    pub entries: i64,
}

impl Reader {
    /// Reads over this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// The newest entries before `cursor`, `limit` at the most.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn page(&self, filter: &Filter, cursor: Option<Id>, limit: usize) -> Result<Page, Error> {
        let Some(known) = self.known(filter).await? else {
            return Ok(Page::default());
        };
        let rows = self.ask(&known.page(cursor, limit)).await?;
        Ok(Page::of_rows(&rows, limit)?)
    }

    /// What is stored of an id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, id: Id) -> Result<Found, Error> {
        Ok(Found::of_rows(&self.ask(&page::one(id)).await?)?)
    }

    /// How many entries each bucket has: its beginning, its end, the count. The filter's own span and words do not count.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn trend(&self, filter: &Filter, buckets: Buckets, fill: Fill) -> Result<Vec<(i64, i64, i64)>, Error> {
        let rows = match self.known(filter).await? {
            Some(known) => self.ask(&known.trend(buckets)).await?,
            None => Vec::new(),
        };
        Ok(counts(buckets, &rows, fill)?)
    }

    /// The hashtags that most entries of the filter's span have.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn hashtags(&self, filter: &Filter, limit: usize) -> Result<Vec<Used>, Error> {
        let used = |row: &Row| {
            Ok::<_, Failed>(Used {
                name: row.try_get(0)?,
                spelling: row.try_get(1)?,
                entries: row.try_get(2)?,
            })
        };
        let rows = self.ask(&filter.hashtags(limit)).await?;
        Ok(rows.iter().map(used).collect::<Result<_, _>>()?)
    }

    /// The filter with numbers in the place of names; none where no entry can fit.
    async fn known(&self, filter: &Filter) -> Result<Option<Known>, Error> {
        let rows = match filter.names() {
            Some(names) => self.ask(&names).await?,
            None => Vec::new(),
        };
        Ok(filter.known(&rows)?)
    }

    async fn ask(&self, question: &Question) -> Result<Vec<Row>, Error> {
        question.ask(&self.0).await
    }
}

impl Found {
    /// What the rows of [`page::one`] say.
    pub(crate) fn of_rows(rows: &[Row]) -> Result<Self, Failed> {
        let Some(row) = rows.first() else {
            return Ok(Self::Nothing);
        };
        if row.try_get(10)? {
            return Ok(Self::Deleted);
        }
        Ok(Self::Entry(Box::new(Entry::of_row(row)?)))
    }
}
