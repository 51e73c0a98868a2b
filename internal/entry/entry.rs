//! An entry, as the database has it.

use crate::{Id, Moment};
use jiff::Timestamp;
use tokio_postgres::{Error, Row};

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id, and the moment that it tells of.
    pub id: Id,
    /// The number of its author.
    pub author_id: i32,
    /// Who wrote it.
    pub author: String,
    /// The device that it is about.
    pub device: Option<String>,
    /// May be empty, where it has hashtags.
    pub text: String,
    /// As they were written: those named beside the text, then those in it.
    pub hashtags: Vec<String>,
    /// Its own place, if it has one: latitude and longitude in degrees, WGS 84.
    pub place: Option<(f64, f64)>,
    /// When it arrived.
    pub received: Timestamp,
    /// When it was last edited.
    pub edited: Option<Timestamp>,
}

/// The columns that [`Entry::of_row`] reads, of `entry` and `author`.
pub(crate) const COLUMNS: &str = "entry.id, entry.author_id, author.name, device, body,
    ARRAY(SELECT spelling FROM entry_hashtag AS tagged WHERE tagged.entry_id = entry.id ORDER BY position) AS hashtags,
    latitude, longitude, received, edited";

impl Entry {
    /// Reads an entry from a row of a question of this crate.
    ///
    /// # Errors
    /// The row has other columns.
    pub(crate) fn of_row(row: &Row) -> Result<Self, Error> {
        let (latitude, longitude): (Option<f64>, Option<f64>) = (row.try_get(6)?, row.try_get(7)?);
        Ok(Self {
            id: row.try_get::<_, uuid::Uuid>(0)?.into(),
            author_id: row.try_get(1)?,
            author: row.try_get(2)?,
            device: row.try_get(3)?,
            text: row.try_get(4)?,
            hashtags: row.try_get(5)?,
            place: latitude.zip(longitude),
            received: row.try_get(8)?,
            edited: row.try_get(9)?,
        })
    }

    /// The moment that it tells of.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment(self.id.moment())
    }

    /// Tells its edits apart: when it was last written, in milliseconds since 1970.
    #[must_use]
    pub fn version(&self) -> String {
        self.edited.unwrap_or(self.received).as_millisecond().to_string()
    }
}
