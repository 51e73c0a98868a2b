//! Entries in PostgreSQL: posts, edits, deletes.

mod change;
mod names;
mod post;
mod publish;

pub(crate) use change::{By, Change, Changed, Refused};
pub(crate) use post::{Post, Posted};

use crate::filter::Known;
use crate::question::Question;
use crate::{Entry, Filter, Id, Page};
use ::postgres::{Database, Error, Pool};
use deadpool_postgres::Object;
use service::Service;
use tokio_postgres::{Error as Failed, Row};

/// What is stored of an id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    Nothing,
    Deleted,
    Entry(Box<Entry>),
}

/// Why something was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStored {
    /// PostgreSQL cannot hold it.
    #[error("the database cannot hold the entry")]
    Data(#[source] Failed),
    /// Try again.
    #[error(transparent)]
    Unavailable(#[from] Error),
}

/// Entries in PostgreSQL. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: Pool,
    /// Questions over the pool.
    database: Database,
}

impl Store {
    pub(crate) fn new(pool: Pool, service: Service) -> Self {
        Self {
            database: Database::new(pool.clone(), service),
            pool,
        }
    }

    /// Asks a question.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Vec<Row>, Error> {
        question.ask(&self.database).await
    }

    /// The filter with numbers in the place of names; none where no entry can fit.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn known(&self, filter: &Filter) -> Result<Option<Known>, Error> {
        let rows = match filter.names() {
            Some(names) => self.ask(&names).await?,
            None => Vec::new(),
        };
        Ok(filter.known(&rows)?)
    }

    /// The newest entries before `cursor`, `limit` at the most.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn page(&self, filter: &Filter, cursor: Option<Id>, limit: usize) -> Result<Page, Error> {
        let Some(known) = self.known(filter).await? else {
            return Ok(Page::default());
        };
        Ok(Page::of_rows(&self.ask(&known.page(cursor, limit)).await?, limit)?)
    }

    /// What is stored of an id.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find(&self, id: Id) -> Result<Found, Error> {
        let rows = self.ask(&crate::page::one(id)).await?;
        Ok(found(&rows)?)
    }
}

/// What the rows of [`crate::page::one`] say.
///
/// # Errors
/// The rows have other columns.
pub(crate) fn found(rows: &[Row]) -> Result<Found, Failed> {
    let Some(row) = rows.first() else {
        return Ok(Found::Nothing);
    };
    if row.try_get(10)? {
        return Ok(Found::Deleted);
    }
    Ok(Found::Entry(Box::new(Entry::of_row(row)?)))
}

/// Closes a connection whose transaction is open, and says why.
fn broken(client: Object, error: Failed) -> NotStored {
    drop(Object::take(client));
    match ::postgres::Failure::of(&error) {
        ::postgres::Failure::Data => NotStored::Data(error),
        ::postgres::Failure::Conflict | ::postgres::Failure::Unavailable => NotStored::Unavailable(error.into()),
    }
}
