//! A day's entries of the journal, as they stood at one moment.

use super::{Snapshot, with_timeout};
use crate::Day;
use anyhow::Context;
use entry::{Coordinates, Id, Moment, Record};
use futures_util::TryStreamExt;
use std::pin::Pin;
use tokio_postgres::{Error, Row, RowStream};

/// Changes with each post, edit and delete of these entries, and never back: an id stays, a delete is final, and each edit
/// is later than the one before. A sum needs neither an order nor memory.
const VERSION: &str = "
    SELECT count(*), coalesce(sum(hashtextextended(
        concat_ws(' ', id, (extract(epoch FROM edited) * 1000000)::int8, deleted IS NOT NULL) COLLATE \"C\", 0
    )), 0)::text
    FROM entry WHERE id >= $1 AND id < $2";

/// What everybody may read, and that an entry was deleted.
const ENTRIES: &str = "
    SELECT entry.id, deleted IS NOT NULL, author.name, device, body,
        ARRAY(SELECT spelling FROM entry_hashtag AS tagged WHERE tagged.entry_id = entry.id ORDER BY position),
        ARRAY(SELECT position FROM entry_hashtag AS tagged WHERE tagged.entry_id = entry.id ORDER BY position),
        latitude, longitude, received, edited
    FROM entry JOIN author ON author.id = author_id
    WHERE entry.id >= $1 AND entry.id < $2 ORDER BY entry.id";

/// A day's entries, as they stood at one moment.
pub(crate) struct JournalSnapshot {
    snapshot: Snapshot,
    _timer: ::postgres::Timer,
    day: Day,
    /// The version of the day's entries; none where the database never had an entry of that day.
    pub(crate) version: Option<String>,
}

/// An entry of the database: without a record where it was deleted.
pub(crate) struct Stood {
    pub(crate) id: Id,
    pub(crate) record: Option<Record>,
}

/// The entries of a day that were not read yet, in order of their ids.
pub(crate) struct Rows(Pin<Box<RowStream>>);

impl JournalSnapshot {
    /// The day's entries as they stand now.
    pub(crate) async fn begin(pool: &::postgres::Pool, day: Day) -> anyhow::Result<Self> {
        let timer = ::postgres::Timer::of("read_journal");
        let snapshot = Snapshot::begin(pool).await?;
        let (first, next) = (day.first_id().uuid(), day.next_id().uuid());
        let row = with_timeout(snapshot.client.query_one(VERSION, &[&first, &next])).await;
        let row = row.with_context(|| format!("read the version of the journal of {day}"))?;
        let (entries, sum): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
        let version = (entries > 0).then(|| format!("{entries}:{sum}"));
        Ok(Self {
            snapshot,
            _timer: timer,
            day,
            version,
        })
    }

    /// Reads the entries.
    pub(crate) async fn rows(&self) -> anyhow::Result<Rows> {
        let bounds = [self.day.first_id().uuid(), self.day.next_id().uuid()];
        let rows = with_timeout(self.snapshot.client.query_raw(ENTRIES, bounds)).await;
        Ok(Rows(Box::pin(rows.context("read the day's entries")?)))
    }
}

impl Rows {
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Stood>> {
        let row = with_timeout(self.0.try_next()).await?;
        Ok(row.as_ref().map(Stood::read).transpose()?)
    }
}

impl Stood {
    fn read(row: &Row) -> Result<Self, Error> {
        let id = Id::from(row.try_get::<_, uuid::Uuid>(0)?);
        if row.try_get(1)? {
            return Ok(Self { id, record: None });
        }
        let (latitude, longitude): (Option<f64>, Option<f64>) = (row.try_get(7)?, row.try_get(8)?);
        let place = latitude.zip(longitude);
        let record = Record {
            id,
            user: row.try_get(2)?,
            device: row.try_get(3)?,
            text: row.try_get(4)?,
            hashtags: row.try_get(5)?,
            positions: row.try_get(6)?,
            timestamp: Moment(id.moment()),
            received_at: row.try_get(9)?,
            edited_at: row.try_get(10)?,
            place: place.map(|(latitude, longitude)| Coordinates { latitude, longitude }),
        };
        Ok(Self {
            id,
            record: Some(record),
        })
    }
}

/// The first day from `from` to `to`, both included, of which the database has or had an entry.
pub(crate) async fn day_with_entries(pool: &::postgres::Pool, from: Day, to: Day) -> anyhow::Result<Option<Day>> {
    let client = pool.get().await.context("connect to the database")?;
    let first = "SELECT id FROM entry WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 1";
    let (from, to) = (from.first_id().uuid(), to.next_id().uuid());
    let row = with_timeout(client.query_opt(first, &[&from, &to])).await;
    let Some(row) = row.context("list the days with entries")? else {
        return Ok(None);
    };
    Ok(Day::of_id(row.try_get::<_, uuid::Uuid>(0)?.into()))
}
