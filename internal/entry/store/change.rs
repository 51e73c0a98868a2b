//! Edits and deletes. Each locks its entry's row, so that two follow one another.

use super::names;
use super::publish::{Event, TOPIC, has_no_partition, make_partitions};
use super::{NotStored, Store, broken};
use crate::draft::{Draft, Edit, Invalid, Placed};
use crate::hashtag::fold;
use crate::read::Found;
use crate::{Entry, Hashtag, Id};
use ::postgres::{Error, Failure, Tries};
use deadpool_postgres::Object;
use tokio_postgres::Error as Failed;

/// What a client wants to become of an entry.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Edit(Box<Edit>, usize),
    Delete,
}

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such entry.
    Nothing,
    Deleted,
    /// It is another author's.
    Author,
    /// Its author's key is bound to another device.
    Device,
    /// It has changed since the client has read it.
    Version,
    Invalid(Invalid),
}

/// What became of a change.
pub(crate) type Changed = Result<Option<Entry>, Refused>;

/// Who wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By<'a> {
    pub(crate) author: &'a str,
    /// The only device that the author's key may write of.
    pub(crate) device: Option<&'a str>,
    /// The version that the client has read; none: any.
    pub(crate) version: Option<&'a [String]>,
}

impl Store {
    /// Changes an entry. It is committed when this returns; an edit returns the entry as it is now.
    ///
    /// # Errors
    /// See [`NotStored`].
    pub(crate) async fn change(&self, id: Id, by: By<'_>, change: &Change) -> Result<Changed, NotStored> {
        let mut tries = match change {
            Change::Edit(..) => Tries::of("edit_entry"),
            Change::Delete => Tries::of("delete_entry"),
        };
        let mut has_partition = false;
        loop {
            let client = self.pool.get().await.map_err(Error::from)?;
            let timer = tries.timer();
            let tried = attempt(&client, id, by, change).await;
            drop(timer);
            match tried {
                Ok(changed) => return Ok(changed),
                Err(error) if has_no_partition(&error) && !has_partition => {
                    has_partition = true;
                    let made = async {
                        client.batch_execute("ROLLBACK").await?;
                        make_partitions(&client).await
                    };
                    made.await.map_err(|error| broken(client, error))?;
                }
                Err(error) => {
                    let is_conflict = Failure::of(&error) == Failure::Conflict;
                    let error = broken(client, error);
                    if !is_conflict || !tries.again("another change was first").await {
                        return Err(error);
                    }
                }
            }
        }
    }
}

async fn attempt(client: &Object, id: Id, by: By<'_>, change: &Change) -> Result<Changed, Failed> {
    prepare(client, id, change).await?;
    client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let changed = within(client, id, by, change).await?;
    let end = if changed.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await?;
    Ok(changed)
}

/// Makes the hashtags that an edit will need, each committed by itself: within the transaction, others that use them would
/// wait for its end.
async fn prepare(client: &Object, id: Id, change: &Change) -> Result<(), Failed> {
    let Change::Edit(edit, max_text) = change else {
        return Ok(());
    };
    let question = crate::page::one(id);
    let rows = client.query_typed(question.sql(), &question.parameters()).await?;
    if let Found::Entry(entry) = Found::of_rows(&rows)?
        && let Ok(draft) = edit.as_ref().clone().of(draft(client, &entry).await?, *max_text)
    {
        let names: Vec<&str> = draft.hashtags.iter().map(|placed| &*placed.hashtag.name).collect();
        names::hashtags(client, &names).await?;
    }
    Ok(())
}

async fn within(client: &Object, id: Id, by: By<'_>, change: &Change) -> Result<Changed, Failed> {
    let lock = "SELECT FROM entry WHERE id = $1 FOR UPDATE";
    client.execute(lock, &[&id.uuid()]).await?;
    let question = crate::page::one(id);
    let rows = client.query_typed(question.sql(), &question.parameters()).await?;
    let entry = match Found::of_rows(&rows)? {
        Found::Nothing => return Ok(Err(Refused::Nothing)),
        Found::Deleted => return Ok(Err(Refused::Deleted)),
        Found::Entry(entry) => *entry,
    };
    if entry.author != by.author {
        return Ok(Err(Refused::Author));
    }
    let is_other = |device: Option<&str>| matches!((by.device, device), (Some(bound), Some(device)) if bound != device);
    if is_other(entry.device.as_deref()) {
        return Ok(Err(Refused::Device));
    }
    if by.version.is_some_and(|versions| !versions.contains(&entry.version())) {
        return Ok(Err(Refused::Version));
    }
    let Change::Edit(edit, max_text) = change else {
        delete(client, &entry).await?;
        return Ok(Ok(None));
    };
    if is_other(edit.device()) {
        return Ok(Err(Refused::Device));
    }
    let before = draft(client, &entry).await?;
    let draft = match edit.as_ref().clone().of(before, *max_text) {
        Ok(draft) => draft,
        Err(invalid) => return Ok(Err(Refused::Invalid(invalid))),
    };
    edit_to(client, &entry, &draft).await?;
    let rows = client.query_typed(question.sql(), &question.parameters()).await?;
    match Found::of_rows(&rows)? {
        Found::Entry(entry) => Ok(Ok(Some(*entry))),
        Found::Nothing | Found::Deleted => Ok(Err(Refused::Nothing)),
    }
}

/// An entry as a draft: with the places of its hashtags.
async fn draft(client: &Object, entry: &Entry) -> Result<Draft, Failed> {
    let select = "SELECT spelling, position FROM entry_hashtag WHERE entry_id = $1 ORDER BY position";
    let rows = client.query(select, &[&entry.id.uuid()]).await?;
    let mut hashtags = Vec::with_capacity(rows.len());
    for row in &rows {
        let spelling: String = row.try_get(0)?;
        hashtags.push(Placed {
            hashtag: Hashtag {
                name: fold(&spelling),
                spelling,
            },
            position: row.try_get(1)?,
        });
    }
    Ok(Draft {
        text: entry.text.clone(),
        hashtags,
        device: entry.device.clone(),
        place: entry.place,
    })
}

async fn edit_to(client: &Object, entry: &Entry, draft: &Draft) -> Result<(), Failed> {
    let names: Vec<&str> = draft.hashtags.iter().map(|placed| &*placed.hashtag.name).collect();
    let tags = names::hashtags(client, &names).await?;
    let (latitude, longitude) = draft.place.unzip();
    // Each edit has another version, also within a millisecond and after a step of the clock.
    let update = "UPDATE entry SET device = $2, body = $3, latitude = $4, longitude = $5, words = to_tsvector('simple'::regconfig, $6),
            edited = greatest(date_trunc('milliseconds', clock_timestamp()), coalesce(edited, received) + interval '1 millisecond')
        WHERE id = $1 RETURNING (extract(epoch FROM edited) * 1000)::int8";
    let id = entry.id.uuid();
    let row = client
        .query_one(
            update,
            &[
                &id,
                &draft.device,
                &draft.text,
                &latitude,
                &longitude,
                &fold(&draft.text),
            ],
        )
        .await?;
    let edited: i64 = row.try_get(0)?;
    let clear = "DELETE FROM entry_hashtag WHERE entry_id = $1";
    client.execute(clear, &[&id]).await?;
    let spellings: Vec<&str> = draft.hashtags.iter().map(|placed| &*placed.hashtag.spelling).collect();
    let positions: Vec<i16> = draft.hashtags.iter().map(|placed| placed.position).collect();
    let insert = "INSERT INTO entry_hashtag (hashtag_id, entry_id, author_id, spelling, position)
        SELECT hashtag_id, $1, $5, spelling, position
        FROM unnest($2::int[], $3::text[], $4::int2[]) AS tag (hashtag_id, spelling, position)";
    client
        .execute(insert, &[&id, &tags, &spellings, &positions, &entry.author_id])
        .await?;
    tell(client, Event::Edited(edited), entry, Some(draft)).await
}

/// Empties an entry. Its id stays, so that who asks for it learns that it was deleted.
async fn delete(client: &Object, entry: &Entry) -> Result<(), Failed> {
    let update =
        "UPDATE entry SET device = NULL, body = '', words = '', latitude = NULL, longitude = NULL, deleted = clock_timestamp()
        WHERE id = $1";
    let id = entry.id.uuid();
    client.execute(update, &[&id]).await?;
    client
        .execute("DELETE FROM entry_hashtag WHERE entry_id = $1", &[&id])
        .await?;
    tell(client, Event::Deleted, entry, None).await
}

async fn tell(client: &Object, event: Event, entry: &Entry, draft: Option<&Draft>) -> Result<(), Failed> {
    // After the lock of the row, so that changes are told in their order.
    let insert =
        "INSERT INTO published (topic, id, key, author, data, at) VALUES ($1, $2, $3, $4, $5, clock_timestamp())";
    let device = draft.map_or(entry.device.as_ref(), |draft| draft.device.as_ref());
    let key = device.unwrap_or(&entry.author);
    let data = event.data(entry.id, &entry.author, draft);
    // What was told before holds a text that its author has taken back.
    let retell = "SELECT retell_entry($1, $2)";
    client.execute(retell, &[&entry.id.to_string(), &data]).await?;
    client
        .execute(insert, &[&TOPIC, &event.id(entry.id), key, &entry.author, &data])
        .await?;
    Ok(())
}
